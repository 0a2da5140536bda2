-- The births of a unit by day, from 10 days before to 10 days after the edge of the year.
WITH
-- include: turn
,
-- include: pooled
, bars AS (
    SELECT e.at, count(*) AS value FROM events e JOIN members m ON e.office = m.office AND e.of = m.of
    WHERE m.unit = {office} AND m.of = {indicator} GROUP BY e.at
)
SELECT d.at, coalesce(b.value, 0) AS value, CASE WHEN d.at > -$days AND d.at <= $days THEN {trials} / (2.0 * $days) END AS expected
FROM (SELECT unnest(generate_series(-10, 10)) AS at) d LEFT JOIN bars b ON d.at = b.at ORDER BY d.at
