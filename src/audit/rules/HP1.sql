-- id: HP1
-- version: 1
-- verdict: signal
-- about: office
-- subject: indicator
-- title_en: Day heaping
-- title_zh: 日期堆积
-- ask_en: {successes} of {trials} {indicator} are on the 1st or 15th; are the dates those of the documents?
-- ask_zh: {trials}例{indicator}中{successes}例在1日或15日；日期是否取自证件？
-- param n: 80
-- param edge: 1.25

WITH events AS (
    SELECT office, 'births' AS of, occurred_on FROM births WHERE source = 'village'
    UNION ALL SELECT office, 'deaths', occurred_on FROM registrations WHERE source = 'village' AND kind = 'death'
), sample AS (
    SELECT office, of, count(*) AS trials, sum(CASE WHEN extract(day FROM occurred_on) IN (1, 15) THEN 1 ELSE 0 END) AS successes
    FROM events GROUP BY office, of
), 
-- include: pooled
, tested AS (SELECT *, CASE WHEN trials >= $n THEN share_above(successes, trials, 24 / 365.25, $edge) END AS t FROM pooled)
SELECT unit AS office, of AS indicator, trials, successes, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes,
       CASE WHEN trials < $n THEN 'insufficient' ELSE 'signal' END AS verdict, share_shown_above(trials, $edge * 24 / 365.25, 0.001, 0.8) AS shows FROM tested
