-- id: BN1
-- version: 1
-- verdict: signal
-- about: office
-- title_en: Bunching before the meeting
-- title_zh: 会前集中上报
-- ask_en: {successes} of {trials} births were reported just before the meeting; when were they known?
-- ask_zh: {trials}例出生中{successes}例在会前集中上报；何时得知？
-- param n: 50
-- param edge: 1.25

WITH sample AS (
    SELECT b.office, 'births' AS of, count(*) AS trials,
           sum(CASE WHEN o.level = 'township' THEN CASE WHEN extract(day FROM b.reported_on) <= 2 THEN 1 ELSE 0 END
                    ELSE CASE WHEN extract(day FROM b.reported_on + INTERVAL '2 days') <= 2 THEN 1 ELSE 0 END END) AS successes
    FROM births b JOIN offices o ON b.office = o.office WHERE b.source = 'village' GROUP BY b.office
), 
-- include: pooled
, tested AS (SELECT *, CASE WHEN trials >= $n THEN share_above(successes, trials, 24 / 365.25, $edge) END AS t FROM pooled)
SELECT unit AS office, trials, successes, t['p'] AS p, t['p_mid'] AS p_mid, successes > $edge * trials * 24 / 365.25 AS passes,
       CASE WHEN trials < $n THEN 'insufficient' ELSE 'signal' END AS verdict, share_shown_above(trials, $edge * 24 / 365.25, 0.001, 0.8) AS shows FROM tested
