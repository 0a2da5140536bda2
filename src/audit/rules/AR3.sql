-- id: AR3
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Denominators
-- title_zh: 分母不一
-- ask_en: The rates of the return of {period} use {populations} different populations; which is right?
-- ask_zh: {period}报表各比率使用了{populations}个不同的人口数；哪一个正确？

SELECT office, period, array_agg(record ORDER BY record) AS records,
       count(DISTINCT denominator) AS populations, min(denominator) AS least, max(denominator) AS most
FROM returns
WHERE denominator IS NOT NULL AND submitted_day IS NOT NULL
  AND indicator IN ('crude_birth_rate', 'crude_death_rate', 'natural_increase', 'programme_funding_per_head')
GROUP BY source, office, period, submitted_day
HAVING count(DISTINCT denominator) > 1
