-- The weeks of the fetal deaths of a unit.
WITH
-- include: weeks
,
-- include: pooled
, bars AS (
    SELECT e.at, count(*) AS value FROM events e JOIN members m ON e.office = m.office AND e.of = m.of
    WHERE m.unit = {office} GROUP BY e.at
)
SELECT d.at, coalesce(b.value, 0) AS value
FROM (SELECT unnest(generate_series(26, 30)) AS at) d LEFT JOIN bars b ON d.at = b.at ORDER BY d.at
