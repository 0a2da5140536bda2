-- id: AR2
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Population balance
-- title_zh: 人口平衡
-- ask_en: The population of {period} says {value}, the register gives {expected}; which movements are missing?
-- ask_zh: {period}人口填报{value}，登记推得{expected}；缺少哪些变动？
-- work_en: |{value} - {expected}| = {gap} persons; asked for at most $share x {expected}
-- work_zh: |{value} - {expected}| = {gap}人；至多$share x {expected}
-- param share: 0.005

-- once: days
WITH lines AS (
    SELECT r.record, r.office, r.period, r.period_last_month, r.value, r.submitted_day
    FROM returns r JOIN offices o ON r.office = o.office
    WHERE r.source = 'village' AND r.indicator = 'population' AND r.value IS NOT NULL AND o.level = 'village'
), moves AS (
    SELECT office, occurred_month, reported_day, 1 AS persons, 0 AS listed FROM births WHERE source = 'village'
    UNION ALL
    SELECT office, occurred_month, reported_day, CASE WHEN kind IN ('resident', 'arrival') THEN 1 ELSE -1 END,
           CASE WHEN kind = 'resident' THEN 1 ELSE 0 END
    FROM registrations WHERE source = 'village' AND kind IN ('resident', 'arrival', 'death', 'departure')
), days AS (
    SELECT office, occurred_month, reported_day, sum(persons) AS persons, sum(listed) AS listed FROM moves
    GROUP BY office, occurred_month, reported_day
), weeks AS (
    -- Of what was reported in weeks before that of the return, the days need not be looked at; a period ends with a month.
    SELECT office, occurred_month, reported_day / 7 AS reported_week, sum(persons) AS persons, sum(listed) AS listed FROM days
    GROUP BY office, occurred_month, reported_day / 7
), counted AS (
    SELECT l.record, w.persons, w.listed
    FROM lines l JOIN weeks w ON l.office = w.office AND w.occurred_month <= l.period_last_month AND w.reported_week < l.submitted_day / 7
    UNION ALL
    SELECT l.record, d.persons, d.listed
    FROM lines l JOIN days d ON l.office = d.office AND d.reported_day / 7 = l.submitted_day / 7
                            AND d.occurred_month <= l.period_last_month AND d.reported_day <= l.submitted_day
), stock AS (
    SELECT record, sum(persons) AS residents, sum(listed) AS listed FROM counted GROUP BY record
)
-- Movements without a list of residents before them are no population.
SELECT l.office, l.period, make_array(l.record) AS records, l.value, s.residents AS expected, abs(l.value - s.residents) AS gap,
       CASE WHEN coalesce(s.listed, 0) = 0 THEN 'insufficient' ELSE 'fail' END AS verdict
FROM lines l LEFT JOIN stock s ON l.record = s.record
WHERE coalesce(s.listed, 0) = 0 OR abs(l.value - s.residents) > $share * s.residents
