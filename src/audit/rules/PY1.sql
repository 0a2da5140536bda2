-- id: PY1
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Paid twice
-- title_zh: 重复发放
-- ask_en: {payments} payments for {period} to one person, more than the entitlement; reverse what is too much.
-- ask_zh: {period}向同一人发放{payments}次，超出应发；请冲回多发部分。

WITH entitled AS (
    SELECT person, scheme, period, max(amount_fen) AS amount_fen FROM disbursements
    WHERE flow = 'entitlement' AND person IS NOT NULL GROUP BY person, scheme, period
), paid AS (
    SELECT person, scheme, period, min(office) AS office,
           array_agg(record ORDER BY record) AS records,
           sum(CASE WHEN flow = 'payment' THEN 1 ELSE -1 END) AS payments,
           sum(CASE WHEN flow = 'payment' THEN amount_fen ELSE -amount_fen END) AS net_fen
    FROM disbursements WHERE flow IN ('payment', 'reversal') AND person IS NOT NULL
    GROUP BY person, scheme, period
)
SELECT p.office, p.period, p.records, p.payments, p.net_fen, e.amount_fen AS entitled_fen
FROM paid p LEFT JOIN entitled e
    ON p.person = e.person AND p.scheme = e.scheme AND p.period = e.period
WHERE p.payments > 1 AND (e.amount_fen IS NULL OR p.net_fen > e.amount_fen)
