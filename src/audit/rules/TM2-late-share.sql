-- id: TM2
-- part: late-share
-- version: 2
-- verdict: signal
-- about: office
-- title_en: Late share
-- title_zh: 迟报比例
-- ask_en: {successes} of {trials} births were reported late, more than elsewhere; what keeps reports back?
-- ask_zh: {trials}例出生中{successes}例迟报，高于其他单位；上报为何延误？
-- param n: 50
-- param edge: 1.5

WITH sample AS (
   SELECT office, 'births' AS of, count(*) AS trials, sum(CASE WHEN reported_day-occurred_day>31 THEN 1 ELSE 0 END) AS successes FROM births WHERE source='village' GROUP BY office),

-- include: pooled
, alls AS (SELECT sum(trials) AS n, sum(successes) AS k FROM sample),
-- Given the late reports of all, those of one office are binomial with its part of the births,
-- weighed with the edge: the share of the others is known no better than their few reports allow.
shares AS (
    SELECT p.*, alls.k, $edge * p.trials / ($edge * p.trials + (alls.n - p.trials)) AS part
    FROM pooled p CROSS JOIN alls WHERE p.trials >= $n AND alls.n > p.trials
),
tested AS (SELECT *, share_above(successes, k, part, 1.0) AS t FROM shares)
SELECT unit AS office, trials, successes, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes, 'signal' AS verdict FROM tested
UNION ALL SELECT unit, trials, successes, NULL, NULL, NULL, 'insufficient' FROM pooled WHERE trials < $n
