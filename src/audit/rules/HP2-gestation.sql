-- id: HP2
-- part: gestation
-- version: 1
-- verdict: signal
-- about: office
-- subject: indicator
-- chart: weeks
-- title_en: Weight and gestation heaping
-- title_zh: 体重与孕周堆积
-- ask_en: {successes} of {trials} fetal deaths of 26 to 30 weeks are of 26 to 28; how were the weeks found?
-- ask_zh: 孕26至30周死胎{trials}例中{successes}例为26至28周；孕周如何得出？
-- work_en: P(X >= {successes} | n = {trials}, p = $share) = {p} (mid-p {p_mid}); asked for p < $level; 26 to 28 weeks among 26 to 30
-- work_zh: P(X >= {successes} | n = {trials}, p = $share) = {p}（mid-p {p_mid}）；要求p < $level；26至28周占26至30周
-- param n: 20
-- param share: 0.6
-- param level: 0.001

WITH
-- include: weeks
,
-- include: pooled
, tested AS (SELECT *, CASE WHEN trials >= $n THEN share_above(successes, trials, $share, 1.0) END AS t FROM pooled)
SELECT unit AS office, of AS indicator, trials, successes, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes,
       CASE WHEN trials < $n THEN 'insufficient' ELSE 'signal' END AS verdict,
       share_shown_above(trials, $share, $level, 0.8) AS shows
FROM tested
