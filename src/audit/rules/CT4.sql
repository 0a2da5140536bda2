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
-- work_en: sum of (x - mean)^2 / mean over {n} months, mean {mean}: {statistic}; lower tail of chi-square with {freedom} degrees of freedom = {p}; asked for p < $level and at most $share x {freedom}
-- work_zh: {n}个月的(x - 均值)^2 / 均值之和，均值{mean}：{statistic}；自由度{freedom}卡方下尾 = {p}；要求p < $level且不超过$share x {freedom}
-- param n: 12
-- param mean: 1.0
-- param share: 0.5
-- param outside: 0
-- param level: 0.001

WITH
-- include: series
-- once: tested
, tested AS (SELECT *, CASE WHEN n >= $n AND mean >= $mean THEN too_even(counts) END AS t FROM lists)
SELECT office, indicator, series, t['p'] AS p, t['p_mid'] AS p_mid, t['statistic'] <= $share * t['freedom'] AS passes,
       t['statistic'] AS statistic, t['freedom'] AS freedom, n, mean,
       CASE WHEN n < $n OR mean < $mean THEN 'insufficient' ELSE 'signal' END AS verdict,
       -- The variance by mean that so many months show; below the mean the chi-square says nothing.
       CASE WHEN mean >= $mean THEN evenness_shown(n - 1, $level, 0.8) END AS shows
FROM tested WHERE t['p'] IS NOT NULL OR n < $n OR mean < $mean
