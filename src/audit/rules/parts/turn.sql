-- Births by how many days they lie after the last day of September or December, which itself is 0; a hit lies
-- before the edge, and what is more than $days away is only drawn.
near AS (
    SELECT office, occurred_day, CAST(extract(month FROM occurred_on) AS BIGINT) AS month, CAST(extract(day FROM occurred_on) AS BIGINT) AS day
    FROM births WHERE source = 'village' AND extract(month FROM occurred_on) IN (9, 10, 12, 1)
), placed AS (
    SELECT office, occurred_day, CASE WHEN month IN (9, 10) THEN 'statistical_year' ELSE 'calendar_year' END AS of,
           CASE month WHEN 9 THEN day - 30 WHEN 12 THEN day - 31 ELSE day END AS at
    FROM near
), events AS (
    -- Both sides are known: they lie in what the villages report on, and the reports of both have had their time.
    SELECT n.office, n.of, n.at,
           CASE WHEN n.at > -$days AND n.at <= $days THEN CASE WHEN n.at <= 0 THEN 1 ELSE 0 END END AS hit
    FROM placed n JOIN spans s ON s.source = 'village' CROSS JOIN moment m
    WHERE n.at BETWEEN -10 AND 10 AND n.occurred_day - n.at - $days + 1 >= s.first_day
      AND n.occurred_day - n.at + $days <= s.last_day AND n.occurred_day - n.at + $days + $delay_days <= m.today
)
