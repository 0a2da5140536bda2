-- The figures of every village and kind of event by month: as returned, and as registered.
WITH returned AS (
    SELECT r.office, r.indicator, r.period_last_month AS month, max(CAST(r.value AS BIGINT)) AS value
    FROM returns r JOIN offices o ON r.office = o.office
    WHERE r.source = 'village' AND r.period_kind = 'month' AND o.level = 'village' AND r.value IS NOT NULL
      AND r.indicator IN ('births', 'marriages', 'divorces', 'deaths', 'arrivals', 'departures')
    GROUP BY r.office, r.indicator, r.period_last_month
), happened AS (
    SELECT office, 'births' AS indicator, occurred_month FROM births WHERE source = 'village'
    UNION ALL
    SELECT office, kind || 's', occurred_month FROM registrations
    WHERE source = 'village' AND kind IN ('marriage', 'divorce', 'death', 'arrival', 'departure')
), span AS (
    SELECT min(occurred_month) AS first_month, least(max(occurred_month), (SELECT max(last_month) FROM moment)) AS last_month FROM happened
), months AS (SELECT DISTINCT occurred_month AS month FROM happened, span WHERE occurred_month >= first_month AND occurred_month <= last_month),
pairs AS (SELECT DISTINCT office, indicator FROM happened),
counted AS (
    SELECT p.office, p.indicator, m.month, count(h.office) AS value
    FROM pairs p CROSS JOIN months m LEFT JOIN happened h
      ON h.office = p.office AND h.indicator = p.indicator AND h.occurred_month = m.month
    GROUP BY p.office, p.indicator, m.month
)
SELECT office, indicator, month, value, 'returned' AS series FROM returned
UNION ALL SELECT office, indicator, month, value, 'registered' FROM counted
