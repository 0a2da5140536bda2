-- id: CT2
-- version: 1
-- verdict: signal
-- about: office
-- subject: indicator, series
-- chart: series
-- title_en: Repeated figures
-- title_zh: 重复数字
-- ask_en: {indicator} is {value} in {length} months in a row; how were these figures made?
-- ask_zh: {indicator}连续{length}个月均为{value}；这些数字如何得出？
-- work_en: P(a run of one value at least {length} long in {n} months | Poisson mean {mean} outside it) = {p}; asked for p < $level and a run of $length or more
-- work_zh: P({n}个月中同一值连续至少{length}个月 | 其外泊松均值{mean}) = {p}；要求p < $level且连续不少于$length个月
-- param n: 12
-- param mean: 1.5
-- param length: 4
-- param outside: 0
-- param level: 0.001

WITH
-- include: series
-- once: tested
, tested AS (SELECT *, CASE WHEN n >= $n AND mean >= $mean THEN repeated_figure(counts) END AS t FROM lists)
SELECT office, indicator, series, t['p'] AS p, t['p_mid'] AS p_mid, t['length'] >= $length AND t['value'] > 0 AS passes,
       t['length'] AS length, t['value'] AS value, coalesce(t['mean'], mean) AS mean, n,
       CASE WHEN n < $n OR mean < $mean THEN 'insufficient' ELSE 'signal' END AS verdict,
       repeated_figure_shown(n, mean, $level) AS shows
FROM tested WHERE t['p'] IS NOT NULL OR n < $n OR mean < $mean
