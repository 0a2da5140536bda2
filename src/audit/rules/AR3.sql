-- id: AR3
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Denominators
-- title_zh: 分母不一
-- ask_en: The rates of the return of {period} use {populations} different populations; which is right?
-- ask_zh: {period}报表各比率使用了{populations}个不同的人口数；哪一个正确？
-- work_en: {populations} different denominators among {rates} rates of one return, from {least} to {most} persons (asked for 1)
-- work_zh: 同一报表{rates}项比率有{populations}个不同分母，{least}至{most}人（应为1个）

SELECT office, period, array_sort(array_agg(record)) AS records, count(*) AS rates,
       count(DISTINCT denominator) AS populations, min(denominator) AS least, max(denominator) AS most
FROM returns
WHERE denominator IS NOT NULL AND submitted_day IS NOT NULL
  AND indicator IN ('crude_birth_rate', 'crude_death_rate', 'natural_increase', 'programme_funding_per_head')
GROUP BY source, office, period, submitted_day
HAVING count(DISTINCT denominator) > 1
