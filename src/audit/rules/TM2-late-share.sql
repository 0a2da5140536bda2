-- id: TM2
-- part: late-share
-- version: 2
-- verdict: signal
-- about: office
-- title_en: Late share
-- title_zh: 迟报比例
-- ask_en: {successes} of {trials} births were reported late, more than elsewhere; what keeps reports back?
-- ask_zh: {trials}例出生中{successes}例迟报，高于其他单位；上报为何延误？
-- work_en: given the {k} late reports of all, P(X >= {successes} | n = {k}, p = {part}), where {part} is the part of this office of all births with its {trials} weighed $edge times = {p} (mid-p {p_mid}); asked for p < $level
-- work_zh: 给定全部迟报{k}例，P(X >= {successes} | n = {k}, p = {part}) = {p}（mid-p {p_mid}），{part}为本单位{trials}例按$edge倍加权后占全部出生之比；要求p < $level
-- param n: 50
-- param edge: 1.5
-- param late_days: 31
-- param level: 0.001

WITH events AS (
    SELECT office, 'births' AS of, CASE WHEN reported_day - occurred_day > $late_days THEN 1 ELSE 0 END AS hit
    FROM births WHERE source = 'village' AND reported_day IS NOT NULL
),
-- include: pooled
, alls AS (SELECT sum(trials) AS n, sum(successes) AS k FROM sample),
-- Given the late reports of all, those of one office are binomial with its part of the births,
-- weighed with the edge: the share of the others is known no better than their few reports allow.
shares AS (
    SELECT p.*, alls.n, alls.k, $edge * p.trials / ($edge * p.trials + (alls.n - p.trials)) AS part
    FROM pooled p CROSS JOIN alls
),
tested AS (
    SELECT *, CASE WHEN trials >= $n AND n > trials THEN share_above(successes, k, part, 1.0) END AS t,
           share_shown_above(k, part, $level, 0.8) AS shown
    FROM shares
)
SELECT unit AS office, trials, successes, k, part, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes,
       CASE WHEN t['p'] IS NULL THEN 'insufficient' ELSE 'signal' END AS verdict,
       -- How many times the others' late share.
       shown / (1 - shown) * (n - trials) / trials AS shows
FROM tested
