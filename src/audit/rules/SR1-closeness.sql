-- id: SR1
-- part: closeness
-- version: 1
-- verdict: signal
-- about: office
-- title_en: Sex ratios too close to one value
-- title_zh: 出生性别比过于接近同一值
-- ask_en: The sex ratios of {units} units lie closer to 105.5 than chance allows (sum {statistic}); how were they made?
-- ask_zh: {units}个单位的出生性别比比随机更接近105.5（{statistic}）；如何得出？
-- param n: 100
-- param units: 12

WITH sample AS (
    SELECT office, 'births' AS of, count(*) AS trials, sum(CASE WHEN sex = 'M' THEN 1 ELSE 0 END) AS successes
    FROM births WHERE source = 'village' AND sex IN ('M', 'F') GROUP BY office
),
-- include: pooled
, together AS (
    SELECT o.county AS office, count(*) AS units,
           array_agg(CAST(p.successes AS BIGINT) ORDER BY p.unit) AS boys,
           array_agg(CAST(p.trials - p.successes AS BIGINT) ORDER BY p.unit) AS girls
    FROM pooled p JOIN offices o ON p.unit = o.office WHERE p.trials >= $n GROUP BY o.county
), tested AS (
    SELECT *, CASE WHEN units >= $units THEN sex_ratio_closeness(boys, girls, 105.5) END AS t FROM together
)
SELECT office, units, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes, t['statistic'] AS statistic,
       CASE WHEN units < $units THEN 'insufficient' ELSE 'signal' END AS verdict
FROM tested
