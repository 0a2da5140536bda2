-- id: XS3
-- version: 1
-- verdict: signal
-- about: office
-- subject: year
-- title_en: Cohort back-check
-- title_zh: 队列回查
-- ask_en: Later lists show {listed} children born in {year}, where the births of that year give {expected}; which births were not reported?
-- ask_zh: 后来的名册有{year}年出生儿童{listed}人，而当年出生推得{expected}人；哪些出生未上报？
-- work_en: P(X >= {listed} | Poisson mean $edge x {expected}) = {p} (mid-p {p_mid}); {expected} = {births} births of {year} and {net} net moves and deaths until the list; asked for p < $level
-- work_zh: P(X >= {listed} | 泊松均值$edge x {expected}) = {p}（mid-p {p_mid}）；{expected} = {year}年出生{births}例加截至名册的净迁移与死亡{net}；要求p < $level
-- param n: 30
-- param edge: 1.02
-- param level: 0.001

WITH covered AS (
    -- Months of which the villages report: from the first report on.
    SELECT 12 * CAST(extract(year FROM CAST(CAST(first_day AS INT) AS DATE)) AS BIGINT)
           + CAST(extract(month FROM CAST(CAST(first_day AS INT) AS DATE)) AS BIGINT) - 1 AS first_month,
           12 * CAST(extract(year FROM CAST(CAST(last_day AS INT) AS DATE)) AS BIGINT)
           + CAST(extract(month FROM CAST(CAST(last_day AS INT) AS DATE)) AS BIGINT) - 1 AS last_month
    FROM spans WHERE source = 'village'
), persons AS (
    SELECT record, office, kind, occurred_day, occurred_month,
           CAST(extract(year FROM CAST(CAST(born_day AS INT) AS DATE)) AS BIGINT) AS year
    FROM registrations
    WHERE source = 'village' AND born_day IS NOT NULL AND kind IN ('resident', 'arrival', 'departure', 'death')
), listed AS (
    -- A list that covers a cohort is one that was made after its year.
    SELECT p.office, p.year, count(*) AS listed, max(p.occurred_day) AS list_day
    FROM persons p CROSS JOIN covered c
    WHERE p.kind = 'resident' AND 12 * p.year >= c.first_month AND 12 * p.year + 11 <= c.last_month
      AND p.occurred_month >= 12 * (p.year + 1)
    GROUP BY p.office, p.year
), born AS (
    SELECT office, CAST(floor(occurred_month / 12.0) AS BIGINT) AS year, count(*) AS births
    FROM births WHERE source = 'village' GROUP BY office, CAST(floor(occurred_month / 12.0) AS BIGINT)
), moved AS (
    -- Who moved or died after the list is on it.
    SELECT l.office, l.year, sum(CASE WHEN p.kind = 'arrival' THEN 1 ELSE -1 END) AS net
    FROM listed l JOIN persons p ON l.office = p.office AND l.year = p.year AND p.occurred_day <= l.list_day
    WHERE p.kind <> 'resident' GROUP BY l.office, l.year
), cohorts AS (
    SELECT coalesce(o.township, o.office) AS office, l.year, sum(l.listed) AS listed,
           sum(coalesce(b.births, 0)) AS births, sum(coalesce(m.net, 0)) AS net
    FROM listed l JOIN offices o ON l.office = o.office
    LEFT JOIN born b ON l.office = b.office AND l.year = b.year
    LEFT JOIN moved m ON l.office = m.office AND l.year = m.year
    GROUP BY coalesce(o.township, o.office), l.year
), tested AS (
    SELECT *, births + net AS expected,
           CASE WHEN births + net >= $n THEN poisson_above(listed, $edge * (births + net)) END AS t
    FROM cohorts
)
SELECT office, year, listed, births, net, expected, t['p'] AS p, t['p_mid'] AS p_mid, listed > $edge * expected AS passes,
       CASE WHEN expected < $n THEN 'insufficient' ELSE 'signal' END AS verdict,
       CASE WHEN expected > 0 THEN mean_shown_above($edge * expected, $level, 0.8) END AS shows
FROM tested
