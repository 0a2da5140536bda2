-- id: CT4
-- version: 1
-- verdict: signal
-- about: office
-- subject: indicator, series
-- chart: series
-- title_en: Too smooth
-- title_zh: 过于平滑
-- ask_en: {indicator} varies less from month to month than chance does; how were these figures made?
-- ask_zh: {indicator}逐月变化小于随机波动；这些数字如何得出？
-- param n: 12
-- param mean: 1.0
-- param share: 0.5

WITH 
-- include: series
, tested AS (SELECT *, CASE WHEN n >= $n AND mean >= $mean THEN too_even(counts) END AS t FROM lists)
SELECT office, indicator, series, t['p'] AS p, t['p_mid'] AS p_mid, t['statistic'] <= $share * t['freedom'] AS passes, t['statistic'] AS statistic,
       CASE WHEN n < $n OR mean < $mean THEN 'insufficient' ELSE 'signal' END AS verdict, n
FROM tested WHERE t['p'] IS NOT NULL OR n < $n OR mean < $mean
