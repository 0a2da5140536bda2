-- id: PY5
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Amount
-- title_zh: 金额不符
-- ask_en: {net_fen} fen were paid for {period}, where the rate is {rate_fen}; what explains the difference?
-- ask_zh: {period}实发{net_fen}分，标准为{rate_fen}分；差额原因？

WITH paid AS (
    SELECT person, scheme, period, min(office) AS office, array_agg(record ORDER BY record) AS records,
           sum(CASE WHEN flow = 'payment' THEN amount_fen ELSE -amount_fen END) AS net_fen
    FROM disbursements WHERE flow IN ('payment', 'reversal') AND person IS NOT NULL
    GROUP BY person, scheme, period
)
SELECT p.office, p.period, p.records, p.net_fen, s.rate_fen
FROM paid p JOIN schemes s ON p.scheme = s.scheme
WHERE p.net_fen % s.rate_fen <> 0
