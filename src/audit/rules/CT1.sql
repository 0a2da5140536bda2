-- id: CT1
-- version: 1
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
, compared AS (
    SELECT v.office, v.indicator, v.series,
           CASE WHEN l.n >= 12 * $years THEN v.month % 12 ELSE 12 END AS season,
           array_agg(v.value ORDER BY v.month) AS counts, array_agg(v.month ORDER BY v.month) AS months,
           array_agg(CAST(1.0 AS DOUBLE) ORDER BY v.month) AS ones
    FROM lists l JOIN listed v ON l.office = v.office AND l.indicator = v.indicator AND l.series = v.series
    WHERE l.n >= $n AND l.mean >= $mean
    GROUP BY v.office, v.indicator, v.series, CASE WHEN l.n >= 12 * $years THEN v.month % 12 ELSE 12 END
), tested AS (
    SELECT office, indicator, series, unnest(months) AS month, unnest(counts) AS value,
           unnest(against_others(counts, ones)) AS t
    FROM compared
)
SELECT office, indicator, series, month, value, t['p'] AS p, t['p_mid'] AS p_mid, t['expected'] AS expected,
       t['dispersion'] AS dispersion,
       abs(value - t['expected']) >= greatest($off, $share * t['expected']) AS passes
FROM tested WHERE t['p'] IS NOT NULL
