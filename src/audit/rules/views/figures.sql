-- The figures of every village and kind of event by month: as returned, and as registered.
WITH returned AS (
    SELECT r.office, r.indicator, r.period_last_month AS month, max(CAST(r.value AS BIGINT)) AS value
    FROM returns r JOIN offices o ON r.office = o.office
    WHERE r.source = 'village' AND r.period_kind = 'month' AND o.level = 'village' AND r.value IS NOT NULL
      AND r.indicator IN ('births', 'marriages', 'divorces', 'deaths', 'arrivals', 'departures')
    GROUP BY r.office, r.indicator, r.period_last_month
), happened AS (
    SELECT office, 'births' AS indicator, occurred_month, reported_on FROM births WHERE source = 'village'
    UNION ALL
    SELECT office, kind || 's', occurred_month, reported_on FROM registrations
    WHERE source = 'village' AND kind IN ('marriage', 'divorce', 'death', 'arrival', 'departure')
), span AS (
    -- A register begins with its first report: of what happened before, only what came late is in it.
    SELECT greatest(min(occurred_month), CAST(12 * extract(year FROM min(reported_on)) + extract(month FROM min(reported_on)) - 1 AS BIGINT)) AS first_month,
           least(max(occurred_month), (SELECT max(last_month) FROM moment)) AS last_month
    FROM happened
), months AS (
    -- A month in which nothing happened anywhere is one of zeros.
    SELECT unnest(generate_series(first_month, last_month)) AS month FROM span
), pairs AS (SELECT DISTINCT office, indicator FROM happened),
counted AS (
    SELECT p.office, p.indicator, m.month, count(h.office) AS value
    FROM pairs p CROSS JOIN months m LEFT JOIN happened h
      ON h.office = p.office AND h.indicator = p.indicator AND h.occurred_month = m.month
    GROUP BY p.office, p.indicator, m.month
)
SELECT office, indicator, month, value, 'returned' AS series FROM returned
UNION ALL SELECT office, indicator, month, value, 'registered' FROM counted
