-- Births by the day of the month on which they were reported; a hit lies just before the meeting: the
-- village meets on the 1st, the township on the 3rd.
events AS (
    SELECT b.office, 'births' AS of, CAST(extract(day FROM b.reported_on) AS BIGINT) AS at,
           CASE WHEN extract(day FROM CASE WHEN o.level = 'township' THEN b.reported_on
                                           ELSE b.reported_on + INTERVAL '2 days' END) <= 2 THEN 1 ELSE 0 END AS hit
    FROM births b JOIN offices o ON b.office = o.office
    WHERE b.source = 'village' AND b.reported_on IS NOT NULL
)
