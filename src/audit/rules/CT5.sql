-- id: CT5
-- version: 2
-- verdict: signal
-- about: office
-- title_en: Target hugging
-- title_zh: 贴近目标
-- ask_en: Of {trials} birth rates of villages and years within 5% of the target, {successes} lie just inside it; how were they made?
-- ask_zh: 在目标5%以内的{trials}个村年出生率中{successes}个恰在目标内；如何得出？
-- work_en: P(X >= {successes} | n = {trials}, p = $edge) = {p} (mid-p {p_mid}); asked for p < $level and {trials} >= $n
-- work_zh: P(X >= {successes} | n = {trials}, p = $edge) = {p}（mid-p {p_mid}）；要求p < $level且{trials} >= $n
-- param n: 10
-- param edge: 0.6
-- param target: 15.0
-- param near: 0.05
-- param level: 0.001

WITH homes AS (
    SELECT office, count(*) AS residents FROM registrations
    WHERE kind = 'resident' AND source = 'village' GROUP BY office
), years AS (
    SELECT office, CAST(floor(month / 12.0) AS BIGINT) AS year, sum(value) AS births, count(*) AS months
    FROM figures WHERE indicator = 'births' AND series = 'returned'
    GROUP BY office, CAST(floor(month / 12.0) AS BIGINT)
), aims AS (
    -- The largest count that keeps the target, and how many counts either side of its border are near.
    SELECT coalesce(o.county, o.township, o.office) AS unit, y.births, CAST(floor($target * h.residents / 1000.0) AS BIGINT) AS allowed,
           CAST(floor($near * $target * h.residents / 1000.0) AS BIGINT) AS steps
    FROM years y JOIN homes h ON y.office = h.office JOIN offices o ON y.office = o.office WHERE y.months = 12
), counted AS (
    -- As many counts inside as outside: 15 births of 1,000 are near, and 16 are not.
    SELECT unit, sum(CASE WHEN births > allowed - steps AND births <= allowed + steps THEN 1 ELSE 0 END) AS trials,
           sum(CASE WHEN births > allowed - steps AND births <= allowed THEN 1 ELSE 0 END) AS successes
    FROM aims GROUP BY unit
), tested AS (SELECT *, CASE WHEN trials >= $n THEN share_above(successes, trials, $edge, 1.0) END AS t FROM counted)
SELECT unit AS office, trials, successes, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes,
       CASE WHEN trials < $n THEN 'insufficient' ELSE 'signal' END AS verdict,
       share_shown_above(trials, $edge, $level, 0.8) AS shows
FROM tested
