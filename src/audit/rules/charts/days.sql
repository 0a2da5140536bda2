-- The days of the month on which the events of a unit lie.
WITH
-- include: days
,
-- include: pooled
, bars AS (
    SELECT e.at, count(*) AS value FROM events e JOIN members m ON e.office = m.office AND e.of = m.of
    WHERE m.unit = {office} AND m.of = {indicator} GROUP BY e.at
)
SELECT d.at, coalesce(b.value, 0) AS value,
       -- A day is in 12 months of a year, the 29th in 11 and a quarter, the 30th in 11, the 31st in 7.
       {trials} * CASE WHEN d.at <= 28 THEN 12 WHEN d.at = 29 THEN 11.25 WHEN d.at = 30 THEN 11 ELSE 7 END / 365.25 AS expected
FROM (SELECT unnest(generate_series(1, 31)) AS at) d LEFT JOIN bars b ON d.at = b.at ORDER BY d.at
