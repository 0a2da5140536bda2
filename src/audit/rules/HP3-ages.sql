-- id: HP3
-- part: ages
-- version: 2
-- verdict: signal
-- about: office
-- title_en: Age heaping
-- title_zh: 年龄堆积
-- ask_en: {successes} of {trials} ages from 23 to 62 without an ID number end in 0 or 5; are the birth dates estimated?
-- ask_zh: 无身份号码者23至62岁{trials}人中{successes}人年龄尾数为0或5；出生日期是否估计？
-- work_en: P(X >= {successes} | n = {trials}, p = $edge x 1/5) = {p} (mid-p {p_mid}); asked for p < $level; Whipple's index {whipple}
-- work_zh: P(X >= {successes} | n = {trials}, p = $edge x 1/5) = {p}（mid-p {p_mid}）；要求p < $level；惠普尔指数{whipple}
-- param n: 500
-- param edge: 1.1
-- param level: 0.001

WITH ages AS (
    -- The age on the day of the list: who rounds, rounds the age that was said then.
    SELECT r.office, CAST(floor((r.occurred_day - r.born_day) / 365.2425) AS BIGINT) AS age
    FROM registrations r
    WHERE r.kind = 'resident' AND r.source = 'village' AND r.number IS NULL AND r.born_day IS NOT NULL
), events AS (
    SELECT office, 'ages' AS of, CASE WHEN age % 5 = 0 THEN 1 ELSE 0 END AS hit FROM ages WHERE age BETWEEN 23 AND 62
),
-- include: pooled
, tested AS (SELECT *, CASE WHEN trials >= $n THEN share_above(successes, trials, 0.2, $edge) END AS t FROM pooled)
SELECT unit AS office, trials, successes, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes,
       CASE WHEN trials < $n THEN 'insufficient' ELSE 'signal' END AS verdict,
       500.0 * successes / trials AS whipple, share_shown_above(trials, 0.2 * $edge, $level, 0.8) AS shows
FROM tested
