-- Births and deaths by their day of the month; a hit is the 1st or the 15th.
dates AS (
    SELECT office, 'births' AS of, occurred_on FROM births WHERE source = 'village'
    UNION ALL SELECT office, 'deaths', occurred_on FROM registrations WHERE source = 'village' AND kind = 'death'
), events AS (
    SELECT office, of, CAST(extract(day FROM occurred_on) AS BIGINT) AS at,
           CASE WHEN extract(day FROM occurred_on) IN (1, 15) THEN 1 ELSE 0 END AS hit
    FROM dates WHERE occurred_on IS NOT NULL
)
