-- id: PY8
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Funding per head
-- title_zh: 人均经费
-- ask_en: {amount_fen} fen for {residents} residents in {period} is below the plan; what is still to come?
-- ask_zh: {period}经费{amount_fen}分、人口{residents}人，低于计划；后续拨款？
-- work_en: {amount_fen} fen / 100 / {residents} residents = {yuan_per_head} yuan (asked for at least $yuan_per_head)
-- work_zh: {amount_fen}分 / 100 / {residents}人 = {yuan_per_head}元（至少$yuan_per_head元）
-- param yuan_per_head: 8.5

WITH money AS (
    SELECT office, period, array_sort(array_agg(record)) AS records, sum(amount_fen) AS amount_fen,
           max(occurred_day) AS on_day
    FROM disbursements
    WHERE flow = 'appropriation' AND source = 'finance' AND scheme = 'programme_funding' GROUP BY office, period
), moves AS (
    SELECT office, occurred_day, reported_day, 1 AS persons, 0 AS listed FROM births WHERE source = 'village'
    UNION ALL
    SELECT office, occurred_day, reported_day, CASE WHEN kind IN ('resident', 'arrival') THEN 1 ELSE -1 END,
           CASE WHEN kind = 'resident' THEN 1 ELSE 0 END
    FROM registrations WHERE source = 'village' AND kind IN ('resident', 'arrival', 'death', 'departure')
), residents AS (
    SELECT y.office, y.period, sum(w.persons) AS residents, sum(w.listed) AS listed
    FROM money y JOIN offices o ON (o.township = y.office OR o.office = y.office)
    JOIN moves w ON w.office = o.office
    WHERE w.occurred_day <= y.on_day AND w.reported_day <= y.on_day
    GROUP BY y.office, y.period
), heads AS (
    -- Movements before the list of residents are no population.
    SELECT y.*, CASE WHEN r.listed > 0 AND r.residents > 0 THEN r.residents END AS residents
    FROM money y LEFT JOIN residents r ON y.office = r.office AND y.period = r.period
)
SELECT office, period, records, amount_fen, residents, amount_fen / 100.0 / residents AS yuan_per_head,
       CASE WHEN residents IS NULL THEN 'insufficient' ELSE 'fail' END AS verdict
FROM heads
WHERE residents IS NULL OR amount_fen / 100.0 < $yuan_per_head * residents
