-- id: HP2
-- part: weight
-- version: 1
-- verdict: signal
-- about: office
-- subject: indicator
-- title_en: Weight and gestation heaping
-- title_zh: 体重与孕周堆积
-- ask_en: {successes} of {trials} values ({indicator}) are round; are they measured?
-- ask_zh: {trials}个{indicator}值中{successes}个为整数；是否实测？
-- param n: 50
-- param edge: 1.0

WITH sample AS (
    SELECT office, 'weight' AS of, count(*) AS trials, sum(CASE WHEN weight_g % 500 = 0 THEN 1 ELSE 0 END) AS successes
    FROM births WHERE source = 'village' AND weight_g IS NOT NULL GROUP BY office
), 
-- include: pooled
, tested AS (SELECT *, CASE WHEN trials >= $n THEN share_above(successes, trials, 0.25, $edge) END AS t FROM pooled)
SELECT unit AS office, of AS indicator, trials, successes, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes,
       CASE WHEN trials < $n THEN 'insufficient' ELSE 'signal' END AS verdict, share_shown_above(trials, 0.25, 0.001, 0.8) AS shows FROM tested
