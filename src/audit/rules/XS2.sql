-- id: XS2
-- version: 1
-- verdict: signal
-- about: office
-- title_en: Completeness
-- title_zh: 完整性
-- ask_en: Of {trials} hospital births of residents the villages know {successes}; which were not reported?
-- ask_zh: 医院登记的{trials}例本地居民出生中，村居知晓{successes}例；哪些未上报？
-- work_en: P(X <= {successes} | n = {trials}, p = $share) = {p} (mid-p {p_mid}); asked for p < $level. Chapman: ({village} + 1) x ({trials} + 1) / ({successes} + 1) - 1 = {all} births, 95% interval {low} to {high}
-- work_zh: P(X <= {successes} | n = {trials}, p = $share) = {p}（mid-p {p_mid}）；要求p < $level。Chapman：({village} + 1) x ({trials} + 1) / ({successes} + 1) - 1 = {all}例，95%区间{low}至{high}
-- param n: 30
-- param share: 0.95
-- param days: 90
-- param level: 0.001

-- once: pooled, members
WITH events AS (
    SELECT h.residence_office AS office, 'births' AS of, CASE WHEN l.hospital IS NULL THEN 0 ELSE 1 END AS hit
    FROM births h LEFT JOIN (SELECT DISTINCT hospital FROM birth_links) l ON h.record = l.hospital
    JOIN spans s ON s.source = 'village' CROSS JOIN moment m
    WHERE h.source = 'hospital' AND h.residence_office IS NOT NULL AND h.occurred_day + $days <= m.today
      AND h.occurred_day BETWEEN s.first_day AND s.last_day
),
-- include: pooled
, tested AS (SELECT *, CASE WHEN trials >= $n THEN share_below(successes, trials, $share) END AS t FROM pooled),
-- The births that the villages of each unit know, of the days that both know.
villages AS (
    SELECT h.unit, count(*) AS village
    FROM births b JOIN members h ON b.office = h.office JOIN spans s ON s.source = 'hospital' CROSS JOIN moment m
    WHERE b.source = 'village' AND b.occurred_day BETWEEN s.first_day AND s.last_day AND b.occurred_day + $days <= m.today
    GROUP BY h.unit
), estimated AS (
    SELECT t.*, coalesce(v.village, 0) AS village,
           chapman(greatest(coalesce(v.village, 0), t.successes), t.trials, t.successes, 0.95) AS c
    FROM tested t LEFT JOIN villages v ON t.unit = v.unit
)
SELECT unit AS office, trials, successes, village, c['all'] AS all, c['low'] AS low, c['high'] AS high,
       t['p'] AS p, t['p_mid'] AS p_mid, true AS passes,
       CASE WHEN trials < $n THEN 'insufficient' ELSE 'signal' END AS verdict,
       share_shown_below(trials, $share, $level, 0.8) AS shows
FROM estimated
