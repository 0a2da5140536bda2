-- id: HP4
-- version: 1
-- verdict: signal
-- about: office
-- title_en: Last digits
-- title_zh: 末位数字
-- ask_en: The last digits of {n} figures in returns do not occur equally often (chi-square {statistic}); how were these figures made?
-- ask_zh: {n}个报表数字的末位分布不均（卡方{statistic}）；这些数字如何得出？
-- work_en: last digits of {n} figures with a mean of $mean or more against equal frequencies: chi-square {statistic}, 9 degrees of freedom, upper tail = {p}; asked for p < $level
-- work_zh: 均值不小于$mean的{n}个数字的末位与均匀分布相比：卡方{statistic}，自由度9，上尾 = {p}；要求p < $level
-- param n: 100
-- param mean: 100
-- param level: 0.001

WITH means AS (
    SELECT office, indicator, avg(value) AS mean FROM figures WHERE series = 'returned' GROUP BY office, indicator
), usable AS (
    SELECT f.office, CAST(CASE WHEN m.mean >= $mean THEN f.value END AS BIGINT) AS value
    FROM figures f JOIN means m ON f.office = m.office AND f.indicator = m.indicator
    WHERE f.series = 'returned'
), counted AS (
    SELECT office, count(value) AS n FROM usable GROUP BY office
), units AS (
    SELECT CASE WHEN c.n >= $n THEN u.office ELSE coalesce(o.township, u.office) END AS office, u.value
    FROM usable u JOIN counted c ON u.office = c.office JOIN offices o ON u.office = o.office
), tested AS (
    SELECT office, count(value) AS n, CASE WHEN count(value) >= $n THEN last_digits(array_agg(value) FILTER (WHERE value IS NOT NULL)) END AS t
    FROM units GROUP BY office
)
SELECT office, n, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes, t['statistic'] AS statistic,
       CASE WHEN n < $n THEN 'insufficient' ELSE 'signal' END AS verdict
FROM tested
