-- id: FN1
-- version: 1
-- verdict: signal
-- about: office
-- subject: indicator
-- title_en: Unit comparison
-- title_zh: 单位比较
-- ask_en: {events} {indicator}, where the residents and the other offices give {expected}; what differs here?
-- ask_zh: {indicator}{events}例，按人口与其他单位推得{expected}；此处有何不同？
-- param units: 10
-- param expected: 10
-- param ratio: 1.2

WITH homes AS (
    SELECT office, count(*) AS residents FROM registrations
    WHERE kind = 'resident' AND source = 'village' GROUP BY office
), events AS (
    SELECT office, indicator, sum(value) AS events FROM figures WHERE series = 'registered' GROUP BY office, indicator
), units AS (
    SELECT e.indicator, array_agg(e.office ORDER BY e.office) AS offices,
           array_agg(CAST(e.events AS BIGINT) ORDER BY e.office) AS counts,
           array_agg(CAST(h.residents AS DOUBLE) ORDER BY e.office) AS residents
    FROM events e JOIN homes h ON e.office = h.office
    GROUP BY e.indicator
), tested AS (
    SELECT indicator, unnest(offices) AS office, unnest(counts) AS events, unnest(residents) AS residents,
           unnest(compare_units(counts, residents, 0.1)) AS t
    FROM units WHERE cardinality(offices) >= $units
), few AS (
    SELECT unnest(offices) AS office, indicator, unnest(counts) AS events, unnest(residents) AS residents
    FROM units WHERE cardinality(offices) < $units
)
SELECT office, indicator, events, residents, t['expected'] AS expected, t['ratio'] AS ratio,
       CASE WHEN t['expected'] >= $expected THEN t['p'] END AS p, CASE WHEN t['expected'] >= $expected THEN t['p_mid'] END AS p_mid,
       t['ratio'] >= $ratio OR t['ratio'] * $ratio <= 1 AS passes,
       CASE WHEN t['expected'] >= $expected THEN 'signal' ELSE 'insufficient' END AS verdict
FROM tested WHERE t['p'] IS NOT NULL
UNION ALL
SELECT office, indicator, events, residents, NULL, NULL, NULL, NULL, NULL, 'insufficient' FROM few
