-- id: XS4
-- version: 1
-- verdict: signal
-- about: office
-- title_en: Stillbirths and neonatal deaths
-- title_zh: 死产与新生儿死亡
-- ask_en: {stillbirths} stillbirths of 28 weeks and more stand beside {neonatal} deaths in the first 28 days; are stillbirths missing?
-- ask_zh: 28周及以上死产{stillbirths}例，28天内死亡{neonatal}例；是否漏报死产？
-- work_en: P(X <= {stillbirths} | n = {n}, p = 1/2) = {p} (mid-p {p_mid}); {stillbirths} stillbirths of 28 weeks or more and {neonatal} deaths in the first 28 days over {days} days; asked for p < $level
-- work_zh: P(X <= {stillbirths} | n = {n}, p = 1/2) = {p}（mid-p {p_mid}）；{days}天内28周及以上死产{stillbirths}例、28天内死亡{neonatal}例；要求p < $level
-- param n: 20
-- param years: 2
-- param level: 0.001

WITH both_kinds AS (
    -- The class of a fetal death is by weeks, and by weight only where days are missing.
    SELECT office, 1 AS stillbirth, occurred_day FROM pregnancy_losses
    WHERE source = 'village' AND (gestation_days >= 196 OR (gestation_days IS NULL AND weight_g >= 1000))
    UNION ALL
    SELECT office, 0, occurred_day FROM registrations
    WHERE source = 'village' AND kind = 'death' AND occurred_day - born_day BETWEEN 0 AND 27
), counted AS (
    SELECT coalesce(o.county, o.township, o.office) AS office, count(*) AS n, sum(b.stillbirth) AS stillbirths,
           max(b.occurred_day) - min(b.occurred_day) AS days
    FROM both_kinds b JOIN offices o ON b.office = o.office GROUP BY coalesce(o.county, o.township, o.office)
), tested AS (
    SELECT *, CASE WHEN n >= $n AND days >= 365 * ($years - 1) THEN share_below(stillbirths, n, 0.5) END AS t FROM counted
)
SELECT office, n, stillbirths, n - stillbirths AS neonatal, days, t['p'] AS p, t['p_mid'] AS p_mid, true AS passes,
       CASE WHEN t['p'] IS NULL THEN 'insufficient' ELSE 'signal' END AS verdict,
       share_shown_below(n, 0.5, $level, 0.8) AS shows
FROM tested
