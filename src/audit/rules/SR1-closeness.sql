-- id: SR1
-- part: closeness
-- version: 1
-- verdict: signal
-- about: office
-- title_en: Sex ratios too close to one value
-- title_zh: 出生性别比过于接近同一值
-- ask_en: The sex ratios of {units} units lie closer to 105.5 than chance allows (sum {statistic}); how were they made?
-- ask_zh: {units}个单位的出生性别比比随机更接近105.5（{statistic}）；如何得出？
-- work_en: sum of squared scores of {units} units of $n or more births against $ratio boys to 100 girls: {statistic}; lower tail of chi-square with {units} degrees of freedom = {p}; asked for p < $level
-- work_zh: {units}个出生不少于$n的单位对$ratio（男/100女）标准化得分平方和：{statistic}；自由度{units}卡方下尾 = {p}；要求p < $level
-- param n: 100
-- param units: 12
-- param ratio: 105.5
-- param level: 0.001

WITH events AS (
    SELECT office, 'births' AS of, CASE WHEN sex = 'M' THEN 1 ELSE 0 END AS hit
    FROM births WHERE source = 'village' AND sex IN ('M', 'F')
),
-- include: pooled
, together AS (
    SELECT coalesce(o.county, o.township, o.office) AS office, sum(CASE WHEN p.trials >= $n THEN 1 ELSE 0 END) AS units,
           array_agg(CAST(p.successes AS BIGINT) ORDER BY p.unit) FILTER (WHERE p.trials >= $n) AS boys,
           array_agg(CAST(p.trials - p.successes AS BIGINT) ORDER BY p.unit) FILTER (WHERE p.trials >= $n) AS girls
    FROM pooled p JOIN offices o ON p.unit = o.office GROUP BY coalesce(o.county, o.township, o.office)
), tested AS (
    SELECT *, CASE WHEN units >= $units THEN sex_ratio_closeness(boys, girls, $ratio) END AS t FROM together
)
SELECT office, units, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes, t['statistic'] AS statistic,
       CASE WHEN units < $units THEN 'insufficient' ELSE 'signal' END AS verdict,
       -- The variance of the scores that so many units show.
       evenness_shown(units, $level, 0.8) AS shows
FROM tested
