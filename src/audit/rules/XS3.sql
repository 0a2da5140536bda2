-- id: XS3
-- version: 1
-- verdict: signal
-- about: office
-- subject: year
-- title_en: Cohort back-check
-- title_zh: 队列回查
-- ask_en: Later lists show {listed} children born in {year}, where the births of that year give {expected}; which births were not reported?
-- ask_zh: 后来的名册有{year}年出生儿童{listed}人，而当年出生推得{expected}人；哪些出生未上报？
-- param n: 30
-- param edge: 1.02

WITH span AS (
    SELECT min(occurred_month) AS first_month, max(occurred_month) AS last_month FROM births WHERE source = 'village'
), listed AS (
    -- A list that covers a cohort is one that was made after its year.
    SELECT r.office, CAST(floor(r.born_day / 365.2425) AS BIGINT) + 1970 AS year, count(DISTINCT r.record) AS listed
    FROM registrations r CROSS JOIN span s
    WHERE r.source = 'village' AND r.kind = 'resident' AND r.born_day IS NOT NULL
      AND 12 * (CAST(floor(r.born_day / 365.2425) AS BIGINT) + 1970) >= s.first_month
      AND r.occurred_month >= 12 * (CAST(floor(r.born_day / 365.2425) AS BIGINT) + 1971)
    GROUP BY r.office, CAST(floor(r.born_day / 365.2425) AS BIGINT) + 1970
), born AS (
    SELECT office, CAST(floor(occurred_month / 12.0) AS BIGINT) AS year, count(*) AS births
    FROM births WHERE source = 'village' GROUP BY office, CAST(floor(occurred_month / 12.0) AS BIGINT)
), moved AS (
    SELECT office, CAST(floor(born_day / 365.2425) AS BIGINT) + 1970 AS year,
           sum(CASE WHEN kind = 'arrival' THEN 1 ELSE -1 END) AS net
    FROM registrations
    WHERE source = 'village' AND kind IN ('arrival', 'departure', 'death') AND born_day IS NOT NULL
    GROUP BY office, CAST(floor(born_day / 365.2425) AS BIGINT) + 1970
), cohorts AS (
    SELECT o.township AS office, l.year, sum(l.listed) AS listed,
           sum(coalesce(b.births, 0) + coalesce(m.net, 0)) AS expected
    FROM listed l JOIN offices o ON l.office = o.office
    LEFT JOIN born b ON l.office = b.office AND l.year = b.year
    LEFT JOIN moved m ON l.office = m.office AND l.year = m.year
    CROSS JOIN span s WHERE 12 * l.year + 11 <= s.last_month
    GROUP BY o.township, l.year
), tested AS (
    SELECT *, CASE WHEN expected >= $n THEN poisson_above(listed, $edge * expected) END AS t FROM cohorts
)
SELECT office, year, listed, expected, t['p'] AS p, t['p_mid'] AS p_mid, listed > $edge * expected AS passes,
       CASE WHEN expected < $n THEN 'insufficient' ELSE 'signal' END AS verdict
FROM tested
