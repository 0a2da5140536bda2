-- Series of months: of an office whose mean is large enough, else of its township together.
-- Needs: $n, $mean, and $outside: whether the mean that decides is told by the months that are not zero, so that a
-- series which lost months is not taken for one of few events. Gives: lists(office, indicator, series, counts, months, n, mean, first_month),
-- and listed(office, indicator, series, month, value).
-- once: own, lists
-- One series for each office and kind of event: what it returned, or what was registered where it
-- returns too little. Two series of one thing would be two tests of one thing.
sent AS (
    SELECT office, indicator, sum(CASE WHEN series = 'returned' THEN n ELSE 0 END) AS n,
           sum(CASE WHEN series = 'registered' THEN n ELSE 0 END) AS registered
    FROM series GROUP BY office, indicator
),
chosen AS (
    -- Poisson counts of mean m that are not zero have the mean m / (1 - exp(-m)).
    SELECT a.office, a.indicator, a.series, o.township,
           a.n >= $n AND (a.mean >= $mean OR ($outside = 1 AND a.mean_outside >= $mean / (1 - exp(-$mean)))) AS enough
    FROM series a JOIN sent s ON a.office = s.office AND a.indicator = s.indicator JOIN offices o ON a.office = o.office
    WHERE (a.series = 'returned') = (s.n >= $n OR s.registered = 0)
),
own AS (
    SELECT office AS member, CASE WHEN enough THEN office ELSE coalesce(township, office) END AS office, indicator, series, enough
    FROM chosen
),
members AS (
    SELECT office, indicator, series, enough, count(*) AS members FROM own GROUP BY office, indicator, series, enough
),
sums AS (
    SELECT w.office, w.indicator, w.series, w.enough, f.month, sum(f.value) AS value, count(*) AS members
    FROM figures f JOIN own w ON f.office = w.member AND f.indicator = w.indicator AND f.series = w.series
    GROUP BY w.office, w.indicator, w.series, w.enough, f.month
),
listed AS (
    -- The sum of a month that one of them did not send is no smaller figure, it is none.
    SELECT s.office, s.indicator, s.series, s.month, CAST(s.value AS BIGINT) AS value
    FROM sums s JOIN members m ON s.office = m.office AND s.indicator = m.indicator AND s.series = m.series
                              AND s.enough = m.enough AND s.members = m.members
),
sorted AS (
    SELECT office, indicator, series, array_sort(array_agg(named_struct('month', month, 'value', value))) AS months,
           count(*) AS n, avg(value) AS mean, min(month) AS first_month
    FROM listed GROUP BY office, indicator, series
),
lists AS (
    SELECT office, indicator, series, each(months, 'value') AS counts, each(months, 'month') AS months, n, mean, first_month
    FROM sorted
)
