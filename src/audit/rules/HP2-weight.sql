-- id: HP2
-- part: weight
-- version: 1
-- verdict: signal
-- about: office
-- subject: indicator
-- chart: weights
-- title_en: Weight and gestation heaping
-- title_zh: 体重与孕周堆积
-- ask_en: {successes} of {trials} birth weights are multiples of 500 g; are they measured?
-- ask_zh: {trials}个出生体重中{successes}个为500克的整数倍；是否实测？
-- work_en: P(X >= {successes} | n = {trials}, p = $share) = {p} (mid-p {p_mid}); asked for p < $level; multiples of 500 g
-- work_zh: P(X >= {successes} | n = {trials}, p = $share) = {p}（mid-p {p_mid}）；要求p < $level；500克的整数倍
-- param n: 50
-- param share: 0.25
-- param level: 0.001

WITH
-- include: weights
,
-- include: pooled
, tested AS (SELECT *, CASE WHEN trials >= $n THEN share_above(successes, trials, $share, 1.0) END AS t FROM pooled)
SELECT unit AS office, of AS indicator, trials, successes, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes,
       CASE WHEN trials < $n THEN 'insufficient' ELSE 'signal' END AS verdict,
       share_shown_above(trials, $share, $level, 0.8) AS shows
FROM tested
