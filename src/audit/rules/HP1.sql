-- id: HP1
-- version: 1
-- verdict: signal
-- about: office
-- subject: indicator
-- chart: days
-- title_en: Day heaping
-- title_zh: 日期堆积
-- ask_en: {successes} of {trials} {indicator} are on the 1st or 15th; are the dates those of the documents?
-- ask_zh: {trials}例{indicator}中{successes}例在1日或15日；日期是否取自证件？
-- work_en: P(X >= {successes} | n = {trials}, p = $edge x 24/365.25) = {p} (mid-p {p_mid}); asked for p < $level
-- work_zh: P(X >= {successes} | n = {trials}, p = $edge x 24/365.25) = {p}（mid-p {p_mid}）；要求p < $level
-- param n: 80
-- param edge: 1.25
-- param level: 0.001

-- once: tested
WITH
-- include: days
,
-- include: pooled
, tested AS (SELECT *, CASE WHEN trials >= $n THEN share_above(successes, trials, 24 / 365.25, $edge) END AS t FROM pooled)
SELECT unit AS office, of AS indicator, trials, successes, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes,
       CASE WHEN trials < $n THEN 'insufficient' ELSE 'signal' END AS verdict,
       share_shown_above(trials, $edge * 24 / 365.25, $level, 0.8) AS shows
FROM tested
