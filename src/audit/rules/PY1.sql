-- id: PY1
-- version: 1
-- verdict: fail
-- about: records
-- near: person
-- title_en: Paid twice
-- title_zh: 重复发放
-- ask_en: {payments} payments for {period} to one person, more than the entitlement; reverse what is too much.
-- ask_zh: {period}向同一人发放{payments}次，超出应发；请冲回多发部分。
-- work_en: payments less reversals = {payments}, net {net_fen} fen; entitled {entitled_fen} fen (asked for 1 payment, or instalments of at most that sum)
-- work_zh: 发放减冲回={payments}次，净额{net_fen}分；应发{entitled_fen}分（应为1次，或分期合计不超过该数）

WITH entitled AS (
    SELECT person, scheme, period, max(amount_fen) AS amount_fen FROM disbursements
    WHERE flow = 'entitlement' AND person IS NOT NULL GROUP BY person, scheme, period
), paid AS (
    SELECT person, scheme, period, min(office) AS office,
           array_sort(array_agg(record)) AS records,
           sum(CASE WHEN flow = 'payment' THEN 1 ELSE -1 END) AS payments,
           sum(CASE WHEN flow = 'payment' THEN amount_fen ELSE -amount_fen END) AS net_fen
    FROM disbursements WHERE flow IN ('payment', 'reversal') AND person IS NOT NULL
    GROUP BY person, scheme, period
)
-- Who is on no list is held against the scheme's rate, so that instalments are one payment there, too.
SELECT p.office, p.period, p.records, p.payments, p.net_fen, coalesce(e.amount_fen, s.rate_fen) AS entitled_fen
FROM paid p LEFT JOIN entitled e
    ON p.person = e.person AND p.scheme = e.scheme AND p.period = e.period
LEFT JOIN schemes s ON p.scheme = s.scheme
WHERE p.payments > 1 AND (coalesce(e.amount_fen, s.rate_fen) IS NULL OR p.net_fen > coalesce(e.amount_fen, s.rate_fen))
