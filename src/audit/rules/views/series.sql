-- What each series of months is like: of every village and kind of event, as returned and as registered.
SELECT office, indicator, series, count(*) AS n, avg(value) AS mean, avg(CASE WHEN value > 0 THEN value END) AS mean_outside
FROM figures GROUP BY office, indicator, series
