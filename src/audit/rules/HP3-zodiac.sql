-- id: HP3
-- part: zodiac
-- version: 1
-- verdict: signal
-- about: office
-- subject: sign
-- title_en: Favoured years of birth
-- title_zh: 偏好的出生年份
-- ask_en: {successes} of {trials} persons without an ID number are born in one favoured year of twelve; are the birth dates documented?
-- ask_zh: 无身份号码者{trials}人中{successes}人生于偏好的生肖年；出生日期是否有证？
-- work_en: P(X >= {successes} | n = {trials}, p = $edge x 1/3) = {p} (mid-p {p_mid}); asked for p < $level; years whose number modulo 12 is {sign} against their two neighbours each
-- work_zh: P(X >= {successes} | n = {trials}, p = $edge x 1/3) = {p}（mid-p {p_mid}）；要求p < $level；年份模12余{sign}者与其前后各一年相比
-- param n: 300
-- param edge: 1.15
-- param level: 0.001

WITH years AS (
    SELECT office, CAST(extract(year FROM CAST(CAST(born_day AS INT) AS DATE)) AS BIGINT) AS year
    FROM registrations
    WHERE kind = 'resident' AND source = 'village' AND number IS NULL AND born_day IS NOT NULL
), span AS (
    SELECT min(year) AS first_year, max(year) AS last_year FROM years
), signs AS (
    SELECT DISTINCT year % 12 AS sign FROM years
), near AS (
    SELECT y.office, s.sign, CASE WHEN y.year % 12 = s.sign THEN 1 ELSE 0 END AS favoured,
           -- The year of the sign that this year is, or lies beside.
           y.year + (s.sign - y.year % 12 + 18) % 12 - 6 AS middle
    FROM years y JOIN signs s ON (y.year - s.sign + 13) % 12 <= 2
), events AS (
    SELECT n.office, CAST(n.sign AS VARCHAR) AS of, n.favoured AS hit
    FROM near n CROSS JOIN span s WHERE n.middle > s.first_year AND n.middle < s.last_year
),
-- include: pooled
, tested AS (SELECT *, CASE WHEN trials >= $n THEN share_above(successes, trials, 1.0 / 3, $edge) END AS t FROM pooled)
SELECT unit AS office, of AS sign, trials, successes, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes,
       CASE WHEN trials < $n THEN 'insufficient' ELSE 'signal' END AS verdict,
       share_shown_above(trials, $edge / 3, $level, 0.8) AS shows
FROM tested
