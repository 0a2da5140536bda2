-- id: XS2
-- version: 1
-- verdict: signal
-- about: office
-- title_en: Completeness
-- title_zh: 完整性
-- ask_en: Of {trials} hospital births of residents the villages know {successes}; which were not reported?
-- ask_zh: 医院登记的{trials}例本地居民出生中，村居知晓{successes}例；哪些未上报？
-- param n: 30
-- param share: 0.95
-- param days: 90

WITH sample AS (
   SELECT h.residence_office AS office, 'births' AS of, count(*) AS trials, sum(CASE WHEN l.hospital IS NULL THEN 0 ELSE 1 END) AS successes
   FROM births h LEFT JOIN (SELECT DISTINCT hospital FROM birth_links) l ON h.record=l.hospital
   CROSS JOIN moment m CROSS JOIN (SELECT min(occurred_day) AS a, max(occurred_day) AS b FROM births WHERE source='village') s
   WHERE h.source='hospital' AND h.residence_office IS NOT NULL AND h.occurred_day + $days <= m.today AND h.occurred_day BETWEEN s.a AND s.b GROUP BY h.residence_office),

-- include: pooled
, tested AS (SELECT *, CASE WHEN trials >= $n THEN share_below(successes, trials, $share) END AS t FROM pooled)
SELECT unit AS office, trials, successes, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes,
       CASE WHEN trials < $n THEN 'insufficient' ELSE 'signal' END AS verdict, share_shown_below(trials, $share, 0.001, 0.8) AS shows FROM tested
