-- id: BN2
-- version: 1
-- verdict: signal
-- about: office
-- subject: indicator
-- title_en: Edge of the year
-- title_zh: 年末边界
-- ask_en: {successes} of {trials} births near the end of the {indicator} lie before it; compare the dates with the certificates.
-- ask_zh: {indicator}末前后{trials}例出生中{successes}例在其前；请与出生证核对日期。
-- param n: 30

WITH data AS (SELECT min(occurred_day) AS first_day, max(occurred_day) AS last_day FROM births WHERE source='village'),
ev AS (
  SELECT b.office, CASE WHEN extract(month FROM occurred_on - 5) IN (9,10) AND extract(month FROM occurred_on) IN (9,10) THEN 'statistical_year' ELSE 'calendar_year' END AS of,
    extract(month FROM occurred_on) AS m, extract(day FROM occurred_on) AS d, occurred_day
  FROM births b WHERE source='village'),
near AS (
  SELECT office, CASE WHEN m IN (9,10) THEN 'statistical_year' ELSE 'calendar_year' END AS of,
     CASE WHEN d >= 26 THEN 1 ELSE 0 END AS before
  FROM ev, data WHERE ((m=9 AND d>=26 AND occurred_day + 9 <= last_day) OR (m=12 AND d>=27 AND occurred_day + 9 <= last_day) OR (m IN (10,1) AND d<=5 AND occurred_day - 9 >= first_day))),
sample AS (SELECT office, of, count(*) AS trials, sum(before) AS successes FROM near GROUP BY office, of),

-- include: pooled
, tested AS (SELECT *, CASE WHEN trials >= $n THEN share_outside(successes, trials, 0.45, 0.55) END AS t FROM pooled)
SELECT unit AS office, of AS indicator, trials, successes, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes,
       CASE WHEN trials < $n THEN 'insufficient' ELSE 'signal' END AS verdict, share_shown_above(trials, 0.55, 0.0005, 0.8) AS shows FROM tested
