-- id: HP4
-- version: 1
-- verdict: signal
-- about: office
-- title_en: Last digits
-- title_zh: 末位数字
-- ask_en: The last digits of {n} figures in returns do not occur equally often (chi-square {statistic}); how were these figures made?
-- ask_zh: {n}个报表数字的末位分布不均（卡方{statistic}）；这些数字如何得出？
-- param n: 100
-- param mean: 100

WITH means AS (
    SELECT office, indicator, avg(value) AS mean FROM figures WHERE series = 'returned' GROUP BY office, indicator
), usable AS (
    SELECT f.office, CAST(f.value AS BIGINT) AS value
    FROM figures f JOIN means m ON f.office = m.office AND f.indicator = m.indicator
    WHERE f.series = 'returned' AND m.mean >= $mean
), counted AS (
    SELECT office, count(*) AS n FROM usable GROUP BY office
), units AS (
    SELECT CASE WHEN c.n >= $n THEN u.office ELSE o.township END AS office, u.value
    FROM usable u JOIN counted c ON u.office = c.office JOIN offices o ON u.office = o.office
), tested AS (
    SELECT office, count(*) AS n, CASE WHEN count(*) >= $n THEN last_digits(array_agg(value)) END AS t FROM units GROUP BY office
)
SELECT office, n, t['p'] AS p, t['p_mid'] AS p_mid, n >= $n AS passes, t['statistic'] AS statistic,
       CASE WHEN n < $n THEN 'insufficient' ELSE 'signal' END AS verdict
FROM tested
