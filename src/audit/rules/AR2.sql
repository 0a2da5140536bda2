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

WITH lines AS (
    SELECT r.record, r.office, r.period, r.period_last_day, r.value, r.submitted_day
    FROM returns r JOIN offices o ON r.office = o.office
    WHERE r.source = 'village' AND r.indicator = 'population' AND r.value IS NOT NULL AND o.level = 'village'
), moves AS (
    SELECT office, occurred_day, reported_day, 1 AS persons, 0 AS listed FROM births WHERE source = 'village'
    UNION ALL
    SELECT office, occurred_day, reported_day, CASE WHEN kind IN ('resident', 'arrival') THEN 1 ELSE -1 END,
           CASE WHEN kind = 'resident' THEN 1 ELSE 0 END
    FROM registrations WHERE source = 'village' AND kind IN ('resident', 'arrival', 'death', 'departure')
), stock AS (
    SELECT l.record, sum(m.persons) AS residents, sum(m.listed) AS listed
    FROM lines l JOIN (
        SELECT office, occurred_day, reported_day, sum(persons) AS persons, sum(listed) AS listed FROM moves
        GROUP BY office, occurred_day, reported_day
    ) m ON l.office = m.office AND m.occurred_day <= l.period_last_day AND m.reported_day <= l.submitted_day
    GROUP BY l.record
)
-- Movements without a list of residents before them are no population.
SELECT l.office, l.period, make_array(l.record) AS records, l.value, s.residents AS expected, abs(l.value - s.residents) AS gap,
       CASE WHEN coalesce(s.listed, 0) = 0 THEN 'insufficient' ELSE 'fail' END AS verdict
FROM lines l LEFT JOIN stock s ON l.record = s.record
WHERE coalesce(s.listed, 0) = 0 OR abs(l.value - s.residents) > $share * s.residents
