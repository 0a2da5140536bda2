-- id: CT3
-- version: 1
-- verdict: signal
-- about: office
-- subject: indicator, series
-- chart: series
-- title_en: Zero run
-- title_zh: 连续为零
-- ask_en: {indicator} is 0 in {length} months in a row, where {mean} a month are usual; were reports lost?
-- ask_zh: {indicator}连续{length}个月为零，平常每月{mean}；是否漏报？
-- work_en: P(a run of zeros at least {length} long in {n} months | zero probability exp(-{mean}), mean outside it) = {p}; asked for p < $level and a run of $length or more
-- work_zh: P({n}个月中连续至少{length}个月为零 | 其外均值{mean}，为零概率exp(-{mean})) = {p}；要求p < $level且连续不少于$length个月
-- param n: 12
-- param mean: 1.5
-- param length: 2
-- param outside: 1
-- param level: 0.001

WITH
-- include: series
-- once: tested
, tested AS (
    SELECT *, CASE WHEN n >= $n THEN zero_run(counts) END AS t FROM lists
), gated AS (
    -- Without a zero there is no run, and all months are outside it.
    SELECT *, n < $n OR coalesce(t['mean'], mean) < $mean AS short FROM tested
)
SELECT office, indicator, series, CASE WHEN NOT short THEN t['p'] END AS p, CASE WHEN NOT short THEN t['p_mid'] END AS p_mid,
       t['length'] >= $length AS passes, t['length'] AS length, coalesce(t['mean'], mean) AS mean, n,
       CASE WHEN short THEN 'insufficient' ELSE 'signal' END AS verdict,
       zero_run_shown(n, mean, $level) AS shows
FROM gated WHERE t['p'] IS NOT NULL OR short
