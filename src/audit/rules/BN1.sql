-- id: BN1
-- version: 1
-- verdict: signal
-- about: office
-- chart: reported
-- title_en: Bunching before the meeting
-- title_zh: 会前集中上报
-- ask_en: {successes} of {trials} births were reported just before the meeting; when were they known?
-- ask_zh: {trials}例出生中{successes}例在会前集中上报；何时得知？
-- work_en: P(X >= {successes} | n = {trials}, p = $edge x 24/365.25) = {p} (mid-p {p_mid}); asked for p < $level
-- work_zh: P(X >= {successes} | n = {trials}, p = $edge x 24/365.25) = {p}（mid-p {p_mid}）；要求p < $level
-- param n: 50
-- param edge: 1.25
-- param level: 0.001

-- once: tested
WITH
-- include: reported
,
-- include: pooled
, tested AS (SELECT *, CASE WHEN trials >= $n THEN share_above(successes, trials, 24 / 365.25, $edge) END AS t FROM pooled)
SELECT unit AS office, trials, successes, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes,
       CASE WHEN trials < $n THEN 'insufficient' ELSE 'signal' END AS verdict,
       share_shown_above(trials, $edge * 24 / 365.25, $level, 0.8) AS shows
FROM tested
