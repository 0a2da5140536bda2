-- id: CT1
-- version: 2
-- verdict: signal
-- about: office
-- subject: indicator, series, month
-- chart: series
-- title_en: Outlier
-- title_zh: 异常值
-- ask_en: {indicator} of one month is {value}, where the others give {expected}; what happened in that month?
-- ask_zh: 某月{indicator}为{value}，其余月份推得{expected}；当月发生了什么？
-- param n: 12
-- param mean: 1.0
-- param off: 3
-- param share: 0.5
-- param years: 4 -- from so many years on, a month is held against the same months of other years

WITH
-- include: series
, tested AS (
    -- What is usual comes from the same months, how much the counts scatter from all.
    SELECT office, indicator, series, unnest(months) AS month, unnest(counts) AS value,
           unnest(against_phase(counts, months, CASE WHEN n >= 12 * $years THEN 12 ELSE 1 END)) AS t
    FROM lists WHERE n >= $n AND mean >= $mean
)
SELECT office, indicator, series, month, value, t['p'] AS p, t['p_mid'] AS p_mid, t['expected'] AS expected,
       t['dispersion'] AS dispersion,
       abs(value - t['expected']) >= greatest($off, $share * t['expected']) AS passes, 'signal' AS verdict
FROM tested WHERE t['p'] IS NOT NULL
UNION ALL
SELECT office, indicator, series, NULL, NULL, NULL, NULL, mean, NULL, NULL, 'insufficient'
FROM lists WHERE n < $n OR mean < $mean
