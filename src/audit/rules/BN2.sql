-- id: BN2
-- version: 1
-- verdict: signal
-- about: office
-- subject: indicator
-- chart: turn
-- title_en: Edge of the year
-- title_zh: 年末边界
-- ask_en: {successes} of {trials} births near the end of the {indicator} lie before it; compare the dates with the certificates.
-- ask_zh: {indicator}末前后{trials}例出生中{successes}例在其前；请与出生证核对日期。
-- work_en: P(X as far out as {successes} | n = {trials}, p between $low and $high), twice the nearer tail = {p} (mid-p {p_mid}); asked for p < $level
-- work_zh: P(X偏离至{successes} | n = {trials}, p在$low至$high之间)，取较近尾两倍 = {p}（mid-p {p_mid}）；要求p < $level
-- param n: 30
-- param low: 0.45
-- param high: 0.55
-- param days: 5
-- param delay_days: 31
-- param level: 0.001

WITH
-- include: turn
,
-- include: pooled
, tested AS (SELECT *, CASE WHEN trials >= $n THEN share_outside(successes, trials, $low, $high) END AS t FROM pooled)
SELECT unit AS office, of AS indicator, trials, successes, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes,
       CASE WHEN trials < $n THEN 'insufficient' ELSE 'signal' END AS verdict,
       share_shown_above(trials, $high, $level / 2, 0.8) AS shows
FROM tested
