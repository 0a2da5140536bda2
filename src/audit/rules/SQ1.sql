-- id: SQ1
-- version: 2
-- verdict: signal
-- about: office
-- subject: indicator, series
-- chart: series
-- title_en: Drift
-- title_zh: 漂移
-- ask_en: {indicator} slides away from its mean; what changed, in life or in reporting?
-- ask_zh: {indicator}偏离其均值；实际情况或上报方式有何变化？
-- work_en: two-sided CUSUM over {n} months, mean {mean}, k = half a standard deviation: its maximum is {statistic}, in {month}; probability of one as high, by simulation given the total (from a mean of $seasons_from on: those of each calendar month) = {p}; asked for p < $level
-- work_zh: {n}个月双侧CUSUM，均值{mean}，k为半个标准差：最大值{statistic}，在{month}；给定总数（均值不小于$seasons_from时为各月份总数）模拟所得概率 = {p}；要求p < $level
-- param n: 24
-- param mean: 1.0
-- param seasons_from: 30 -- from this mean on, only against the same months of other years
-- param outside: 0
-- param level: 0.001

WITH
-- include: series
-- once: tested
, tested AS (
    SELECT *, CASE WHEN n >= $n AND mean >= $mean AND (mean < $seasons_from OR n >= 36)
                   THEN drift(counts, CASE WHEN mean < $seasons_from THEN 0 ELSE 12 END, 1) END AS t
    FROM lists
), dated AS (
    SELECT *, months[t['at'] + 1] AS highest FROM tested
)
SELECT office, indicator, series, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes, t['statistic'] AS statistic,
       concat(CAST(highest / 12 AS VARCHAR), '-', lpad(CAST(highest % 12 + 1 AS VARCHAR), 2, '0')) AS month,
       t['rising'] AS rising, n, mean,
       CASE WHEN t['p'] IS NULL THEN 'insufficient' ELSE 'signal' END AS verdict
FROM dated
