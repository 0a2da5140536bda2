-- id: PY8
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Funding per head
-- title_zh: 人均经费
-- ask_en: {amount_fen} fen for {residents} residents in {period} is below the plan; what is still to come?
-- ask_zh: {period}经费{amount_fen}分、人口{residents}人，低于计划；后续拨款？
-- param yuan_per_head: 8.5

WITH money AS (
    SELECT office, period, array_agg(record ORDER BY record) AS records, sum(amount_fen) AS amount_fen,
           max(occurred_day) AS on_day
    FROM disbursements
    WHERE flow = 'appropriation' AND source = 'finance' AND scheme = 'programme_funding' GROUP BY office, period
), moves AS (
    SELECT office, occurred_day, reported_day, 1 AS persons FROM births WHERE source = 'village'
    UNION ALL
    SELECT office, occurred_day, reported_day, CASE WHEN kind IN ('resident', 'arrival') THEN 1 ELSE -1 END
    FROM registrations WHERE source = 'village' AND kind IN ('resident', 'arrival', 'death', 'departure')
), residents AS (
    SELECT y.office, y.period, sum(w.persons) AS residents
    FROM money y JOIN offices o ON (o.township = y.office OR o.office = y.office)
    JOIN moves w ON w.office = o.office
    WHERE w.occurred_day <= y.on_day AND w.reported_day <= y.on_day
    GROUP BY y.office, y.period
)
SELECT y.office, y.period, y.records, y.amount_fen, r.residents,
       CASE WHEN r.residents IS NULL OR r.residents <= 0 THEN 'insufficient' ELSE 'fail' END AS verdict
FROM money y LEFT JOIN residents r ON y.office = r.office AND y.period = r.period
WHERE r.residents IS NULL OR r.residents <= 0 OR y.amount_fen / 100.0 < $yuan_per_head * r.residents
