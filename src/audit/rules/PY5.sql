-- id: PY5
-- version: 1
-- verdict: fail
-- about: records
-- near: person
-- title_en: Amount
-- title_zh: 金额不符
-- ask_en: {net_fen} fen were paid for {period}, where {due_fen} were due; what explains the difference?
-- ask_zh: {period}实发{net_fen}分，应为{due_fen}分；差额原因？
-- work_en: payments less reversals = {net_fen} fen ({payments} payments); due {due_fen} fen = {rate_fen} fen a year x {months} months / 12
-- work_zh: 发放减冲回={net_fen}分（{payments}次）；应为{due_fen}分={rate_fen}分/年 x {months}月/12

WITH paid AS (
    SELECT person, scheme, period, min(office) AS office, array_sort(array_agg(record)) AS records,
           sum(CASE WHEN flow = 'payment' THEN 1 ELSE -1 END) AS payments,
           sum(CASE WHEN flow = 'payment' THEN amount_fen ELSE -amount_fen END) AS net_fen,
           -- Months of 30.44 days: of a year 12, of a half-year 6.
           CAST(round((min(period_last_day) - min(period_first_day) + 1) / 30.436875) AS BIGINT) AS months,
           min(period_last_day) AS last_day
    FROM disbursements WHERE flow IN ('payment', 'reversal') AND person IS NOT NULL
    GROUP BY person, scheme, period
), due AS (
    SELECT p.*, s.rate_fen, s.rate_fen * p.months / 12 AS due_fen, p.last_day - s.due_before_end AS due_day
    FROM paid p JOIN schemes s ON p.scheme = s.scheme
)
SELECT office, period, records, payments, net_fen, rate_fen, months, due_fen
FROM due CROSS JOIN moment m
-- Several full payments are PY1's, and instalments have until the due day.
WHERE net_fen < 0 OR (payments <= 1 AND net_fen > due_fen)
   OR (net_fen % due_fen <> 0 AND (net_fen > due_fen OR due_day < m.today))
