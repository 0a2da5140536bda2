-- Fetal deaths of 26 to 30 weeks; a hit is one of 26 to 28.
events AS (
    SELECT office, 'gestation' AS of, gestation_days / 7 AS at, CASE WHEN gestation_days < 29 * 7 THEN 1 ELSE 0 END AS hit
    FROM pregnancy_losses WHERE source = 'village' AND gestation_days >= 26 * 7 AND gestation_days < 31 * 7
)
