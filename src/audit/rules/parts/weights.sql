-- Births by their weight in classes of 100 g; a hit is a multiple of 500 g.
events AS (
    SELECT office, 'weight' AS of, weight_g / 100 * 100 AS at, CASE WHEN weight_g % 500 = 0 THEN 1 ELSE 0 END AS hit
    FROM births WHERE source = 'village' AND weight_g IS NOT NULL
)
