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
-- param n: 12
-- param mean: 1.5
-- param length: 4

WITH 
-- include: series
, tested AS (SELECT *, CASE WHEN n >= $n AND mean >= $mean THEN repeated_figure(counts) END AS t FROM lists)
SELECT office, indicator, series, t['p'] AS p, t['p_mid'] AS p_mid, t['length'] >= $length AND t['mean'] >= $mean AND t['value'] > 0 AS passes,
       t['length'] AS length, t['value'] AS value, t['mean'] AS mean,
       CASE WHEN n < $n OR mean < $mean THEN 'insufficient' ELSE 'signal' END AS verdict, n
FROM tested WHERE t['p'] IS NOT NULL OR n < $n OR mean < $mean
