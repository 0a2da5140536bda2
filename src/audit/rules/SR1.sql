-- id: SR1
-- version: 1
-- verdict: signal
-- about: office
-- title_en: Sex ratio at birth
-- title_zh: 出生性别比
-- ask_en: {successes} of {trials} births are boys, outside what chance allows; are births of girls missing?
-- ask_zh: {trials}例出生中男婴{successes}例，超出随机范围；是否漏报女婴？
-- param n: 100
-- param low: 103
-- param high: 107

WITH sample AS (
    SELECT office, 'births' AS of, count(*) AS trials, sum(CASE WHEN sex = 'M' THEN 1 ELSE 0 END) AS successes
    FROM births WHERE source = 'village' AND sex IN ('M', 'F') GROUP BY office
), 
-- include: pooled
, tested AS (SELECT *, CASE WHEN trials >= $n THEN share_outside(successes, trials, $low / (100.0 + $low), $high / (100.0 + $high)) END AS t FROM pooled)
SELECT unit AS office, trials, successes, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes,
       CASE WHEN trials < $n THEN 'insufficient' ELSE 'signal' END AS verdict, sex_ratio_shown(trials, 107.0, 0.001, 0.8) AS shows FROM tested
