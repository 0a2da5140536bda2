-- id: CT1
-- version: 2
-- verdict: signal
-- about: office
-- subject: indicator, series
-- chart: series
-- title_en: Outlier
-- title_zh: 异常值
-- ask_en: {indicator} of {period} is {value}, where the others give {expected}; what happened in that month?
-- ask_zh: {period}{indicator}为{value}，其余月份推得{expected}；当月发生了什么？
-- work_en: {value} in {period} against {expected} from the other {others} months ({total} events in all), variance {dispersion} times the mean; exact conditional p, two-sided = {p} (mid-p {p_mid}); asked for p < $level and a difference of at least the larger of $off and $share x {expected}
-- work_zh: {period}为{value}，由其余{others}个月（共{total}例）推得{expected}，方差为均值的{dispersion}倍；精确条件双侧p = {p}（mid-p {p_mid}）；要求p < $level且相差不小于$off与$share x {expected}之较大者
-- param n: 12
-- param mean: 1.0
-- param off: 3
-- param share: 0.5
-- param years: 4 -- from so many years on, a month is held against the same months of other years
-- param outside: 0
-- param level: 0.001

WITH
-- include: series
-- once: tested
, tested AS (
    -- What is usual comes from the same months, how much the counts scatter from all.
    SELECT office, indicator, series, n, mean, unnest(months) AS month, unnest(counts) AS value,
           unnest(against_phase(counts, months, CASE WHEN n >= 12 * $years THEN 12 ELSE 1 END)) AS t
    FROM lists WHERE n >= $n AND mean >= $mean
)
SELECT office, indicator, series, month, value, t['p'] AS p, t['p_mid'] AS p_mid, t['expected'] AS expected,
       t['dispersion'] AS dispersion, n - 1 AS others, CAST(round(n * mean) AS BIGINT) AS total,
       concat(CAST(month / 12 AS VARCHAR), '-', lpad(CAST(month % 12 + 1 AS VARCHAR), 2, '0')) AS period,
       abs(value - t['expected']) >= greatest($off, $share * t['expected']) AS passes, 'signal' AS verdict,
       CAST(NULL AS DOUBLE) AS shows
FROM tested WHERE t['p'] IS NOT NULL
UNION ALL
-- How many times the others' mean a month would have to be.
SELECT office, indicator, series, NULL, NULL, NULL, NULL, mean, NULL, n - 1, CAST(round(n * mean) AS BIGINT), NULL, false, 'insufficient',
       share_shown_above(CAST(round(n * mean) AS BIGINT), 1.0 / n, $level / 2, 0.8) * (n - 1)
       / (1 - share_shown_above(CAST(round(n * mean) AS BIGINT), 1.0 / n, $level / 2, 0.8))
FROM lists WHERE n < $n OR mean < $mean
