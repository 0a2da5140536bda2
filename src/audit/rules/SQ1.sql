-- id: SQ1
-- version: 1
-- verdict: signal
-- about: office
-- subject: indicator, series
-- chart: series
-- title_en: Drift
-- title_zh: 漂移
-- ask_en: {indicator} slides away from its mean; what changed, in life or in reporting?
-- ask_zh: {indicator}偏离其均值；实际情况或上报方式有何变化？
-- param n: 24
-- param mean: 1.0
-- param seasons_from: 30 -- from this mean on, only against the same months of other years

WITH
-- include: series
, tested AS (
    SELECT *, drift(counts, CASE WHEN mean < $seasons_from THEN 0 ELSE 12 END, 1) AS t FROM lists
    WHERE n >= $n AND mean >= $mean AND (mean < $seasons_from OR n >= 36)
)
SELECT office, indicator, series, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes,
       t['statistic'] AS statistic, first_month + t['at'] AS month, t['rising'] AS rising, mean, 'signal' AS verdict
FROM tested WHERE t['p'] IS NOT NULL
UNION ALL
SELECT office, indicator, series, NULL, NULL, NULL, NULL, NULL, NULL, mean, 'insufficient'
FROM lists WHERE n < $n OR mean < $mean OR (mean >= $seasons_from AND n < 36)
