-- id: PY7
-- version: 1
-- verdict: fail
-- about: records
-- near: person
-- title_en: Unpaid or late
-- title_zh: 未发或迟发
-- ask_en: Nothing was paid for {period} by the day of the scheme; was it paid since?
-- ask_zh: {period}到期未发放；之后是否补发？
-- work_en: entitled {amount_fen} fen; payments less reversals by the due day = {net_fen} fen, {overdue} days after which nothing was paid (asked for more than 0 fen)
-- work_zh: 应发{amount_fen}分；到期日前发放减冲回={net_fen}分，已逾期{overdue}天（应大于0分）

WITH due AS (
    SELECT e.record, e.office, e.person, e.scheme, e.period, e.amount_fen, e.period_last_day - s.due_before_end AS due_day
    FROM disbursements e JOIN schemes s ON e.scheme = s.scheme
    WHERE e.flow = 'entitlement' AND e.person IS NOT NULL
), paid AS (
    SELECT d.record, sum(CASE WHEN p.flow = 'payment' THEN p.amount_fen ELSE -p.amount_fen END) AS net_fen
    FROM due d JOIN disbursements p
        ON d.person = p.person AND d.scheme = p.scheme AND d.period = p.period
    WHERE p.flow IN ('payment', 'reversal') AND p.occurred_day <= d.due_day
    GROUP BY d.record
), gone AS (
    SELECT person, min(CASE WHEN kind = 'death' THEN occurred_day END) AS died,
           max(CASE WHEN kind = 'departure' THEN occurred_day END) AS departed,
           max(CASE WHEN kind = 'arrival' THEN occurred_day END) AS arrived
    FROM registrations WHERE kind IN ('death', 'departure', 'arrival') AND person IS NOT NULL GROUP BY person
)
SELECT d.office, d.period, make_array(d.record) AS records, d.amount_fen, coalesce(p.net_fen, 0) AS net_fen,
       m.today - d.due_day AS overdue
FROM due d CROSS JOIN moment m
LEFT JOIN paid p ON d.record = p.record
LEFT JOIN gone g ON d.person = g.person
WHERE coalesce(p.net_fen, 0) <= 0 AND d.due_day < m.today
  AND (g.died IS NULL OR g.died > d.due_day)
  AND (g.departed IS NULL OR g.departed > d.due_day OR coalesce(g.arrived, 0) > g.departed)
