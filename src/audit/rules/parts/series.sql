-- Series of months: of an office whose mean is large enough, else of its township together.
-- Needs: $n, $mean, and $outside: whether the mean that decides is told by the months that are not zero, so that a
-- series which lost months is not taken for one of few events. Gives: lists(office, indicator, series, counts, months, n, mean, first_month),
-- and listed(office, indicator, series, month, value).
-- One series for each office and kind of event: what it returned, or what was registered where it
-- returns too little. Two series of one thing would be two tests of one thing.
sent AS (
    SELECT office, indicator, sum(CASE WHEN series = 'returned' THEN 1 ELSE 0 END) AS n,
           sum(CASE WHEN series = 'registered' THEN 1 ELSE 0 END) AS registered
    FROM figures GROUP BY office, indicator
),
looked_at AS (
    SELECT f.* FROM figures f JOIN sent s ON f.office = s.office AND f.indicator = s.indicator
    WHERE (f.series = 'returned') = (s.n >= $n OR s.registered = 0)
),
own AS (
    -- Poisson counts of mean m that are not zero have the mean m / (1 - exp(-m)).
    SELECT office, indicator, series, count(*) AS n,
           CASE WHEN $outside = 1 AND avg(CASE WHEN value > 0 THEN value END) >= $mean / (1 - exp(-$mean))
                THEN greatest(avg(value), $mean) ELSE avg(value) END AS mean
    FROM looked_at GROUP BY office, indicator, series
),
few AS (
    SELECT coalesce(o.township, f.office) AS office, f.office AS member, f.indicator, f.series, f.month, f.value
    FROM looked_at f JOIN own w ON f.office = w.office AND f.indicator = w.indicator AND f.series = w.series
    JOIN offices o ON f.office = o.office
    WHERE w.mean < $mean OR w.n < $n
),
members AS (
    SELECT office, indicator, series, count(DISTINCT member) AS members FROM few GROUP BY office, indicator, series
),
pool AS (
    -- The sum of a month that one of them did not send is no smaller figure, it is none.
    SELECT f.office, f.indicator, f.series, f.month, sum(f.value) AS value
    FROM few f JOIN members m ON f.office = m.office AND f.indicator = m.indicator AND f.series = m.series
    GROUP BY f.office, f.indicator, f.series, f.month, m.members HAVING count(*) = m.members
),
listed AS (
    SELECT f.office, f.indicator, f.series, f.month, CAST(f.value AS BIGINT) AS value
    FROM looked_at f JOIN own w ON f.office = w.office AND f.indicator = w.indicator AND f.series = w.series
    WHERE w.mean >= $mean AND w.n >= $n
    UNION ALL SELECT office, indicator, series, month, CAST(value AS BIGINT) FROM pool
),
lists AS (
    SELECT office, indicator, series, array_agg(value ORDER BY month) AS counts,
           array_agg(month ORDER BY month) AS months, count(*) AS n, avg(value) AS mean, min(month) AS first_month
    FROM listed GROUP BY office, indicator, series
)
