-- id: SR1
-- version: 1
-- verdict: signal
-- about: office
-- title_en: Sex ratio at birth
-- title_zh: 出生性别比
-- ask_en: {successes} of {trials} births are boys, outside what chance allows; are births of girls missing?
-- ask_zh: {trials}例出生中男婴{successes}例，超出随机范围；是否漏报女婴？
-- work_en: P(X as far out as {successes} | n = {trials}, p between $low/(100 + $low) and $high/(100 + $high)), twice the nearer tail = {p} (mid-p {p_mid}); asked for p < $level
-- work_zh: P(X偏离至{successes} | n = {trials}, p在$low/(100 + $low)至$high/(100 + $high)之间)，取较近尾两倍 = {p}（mid-p {p_mid}）；要求p < $level
-- param n: 100
-- param low: 103
-- param high: 107
-- param level: 0.001

WITH events AS (
    SELECT office, 'births' AS of, CASE WHEN sex = 'M' THEN 1 ELSE 0 END AS hit
    FROM births WHERE source = 'village' AND sex IN ('M', 'F')
),
-- include: pooled
, tested AS (SELECT *, CASE WHEN trials >= $n THEN share_outside(successes, trials, $low / (100.0 + $low), $high / (100.0 + $high)) END AS t FROM pooled)
SELECT unit AS office, trials, successes, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes,
       CASE WHEN trials < $n THEN 'insufficient' ELSE 'signal' END AS verdict,
       sex_ratio_shown(trials, CAST($high AS DOUBLE), $level, 0.8) AS shows
FROM tested
