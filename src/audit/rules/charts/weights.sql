-- The birth weights of a unit in classes of 100 g.
WITH
-- include: weights
,
-- include: pooled
, bars AS (
    SELECT e.at, count(*) AS value FROM events e JOIN members m ON e.office = m.office AND e.of = m.of
    WHERE m.unit = {office} GROUP BY e.at
)
SELECT at, value FROM bars ORDER BY at
