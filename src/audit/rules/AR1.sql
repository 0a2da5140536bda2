-- id: AR1
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Sums
-- title_zh: 合计
-- ask_en: {indicator} of {period} says {value}, and {expected} was counted ({fault}); correct the return or the records.
-- ask_zh: {period}的{indicator}填报{value}，核计为{expected}（{fault}）；请更正报表或记录。
-- work_en: {fault}: {indicator} = {value} as returned, {expected} as counted; difference {gap} (asked for 0)
-- work_zh: {fault}：{indicator}填报{value}，核计{expected}，相差{gap}（应为0）

-- once: latest, below
WITH begun AS (
    -- A return of a month before the register's first report cannot be held against it.
    SELECT min(reported_day) - extract(day FROM min(reported_on)) + 1 AS first_day FROM (
        SELECT reported_on, reported_day FROM births WHERE source = 'village'
        UNION ALL
        SELECT reported_on, reported_day FROM registrations
        WHERE source = 'village' AND kind IN ('marriage', 'divorce', 'death', 'arrival', 'departure')
    )
), lines AS (
    SELECT r.record, r.office, o.level, o.parent, r.period, r.period_first_day, r.period_last_day,
           r.period_kind, r.period_last_month, r.indicator, r.value, r.submitted_day
    FROM returns r JOIN offices o ON r.office = o.office
    WHERE r.source = 'village' AND r.value IS NOT NULL
      AND r.indicator IN ('births', 'births_male', 'births_female', 'marriages', 'divorces', 'deaths', 'arrivals', 'departures')
), happened AS (
    SELECT office, 'births' AS indicator, occurred_month, occurred_day, reported_day FROM births WHERE source = 'village'
    UNION ALL
    SELECT office, CASE WHEN sex = 'M' THEN 'births_male' ELSE 'births_female' END, occurred_month, occurred_day, reported_day
    FROM births WHERE source = 'village' AND sex IN ('M', 'F')
    UNION ALL
    SELECT office, kind || 's', occurred_month, occurred_day, reported_day FROM registrations
    WHERE source = 'village' AND kind IN ('marriage', 'divorce', 'death', 'arrival', 'departure')
), countable AS (
    SELECT l.* FROM lines l CROSS JOIN begun b
    WHERE l.level = 'village' AND l.submitted_day IS NOT NULL AND l.period_first_day >= b.first_day
), counted AS (
    SELECT l.record, count(h.office) AS counted
    FROM countable l LEFT JOIN happened h
        ON l.office = h.office AND l.indicator = h.indicator AND l.period_last_month = h.occurred_month
       AND h.reported_day <= l.submitted_day
    WHERE l.period_kind = 'month' GROUP BY l.record
    UNION ALL
    SELECT l.record, count(h.office)
    FROM countable l LEFT JOIN happened h
        ON l.office = h.office AND l.indicator = h.indicator
       AND h.occurred_day >= l.period_first_day AND h.occurred_day <= l.period_last_day
       AND h.reported_day <= l.submitted_day
    WHERE l.period_kind <> 'month' GROUP BY l.record
), sums AS (
    -- One return: what was submitted for a period on one day.
    SELECT office, period, coalesce(submitted_day, 0) AS submitted,
           sum(CASE WHEN indicator = 'births' THEN value END)
           - sum(CASE WHEN indicator = 'births_male' THEN value END)
           - sum(CASE WHEN indicator = 'births_female' THEN value END) AS gap
    FROM lines GROUP BY office, period, coalesce(submitted_day, 0)
), villages AS (
    SELECT parent, count(*) AS villages FROM offices WHERE level = 'village' GROUP BY parent
), newest AS (
    -- Day and position in one number: days are below 2^23, positions below 2^40.
    SELECT max(coalesce(submitted_day, 0) * 1099511627776 + record) AS newest FROM lines GROUP BY office, period, indicator
), latest AS (
    -- A return that was sent again is the one that counts.
    SELECT l.* FROM lines l JOIN newest n ON coalesce(l.submitted_day, 0) * 1099511627776 + l.record = n.newest
), below AS (
    SELECT parent AS office, period, indicator, sum(value) AS value, count(DISTINCT office) AS sent
    FROM latest WHERE level = 'village' GROUP BY parent, period, indicator
), faults AS (
    SELECT l.office, l.period, l.record, l.indicator, 'ledger' AS fault, l.value, CAST(c.counted AS DOUBLE) AS expected
    FROM lines l JOIN counted c ON l.record = c.record WHERE l.value <> c.counted
    UNION ALL
    SELECT l.office, l.period, l.record, l.indicator, 'boys_and_girls', l.value,
           CASE WHEN l.indicator = 'births' THEN l.value - s.gap ELSE l.value + s.gap END
    FROM lines l JOIN sums s ON l.office = s.office AND l.period = s.period AND coalesce(l.submitted_day, 0) = s.submitted
    LEFT JOIN below b ON l.office = b.office AND l.period = b.period AND l.indicator = b.indicator
    WHERE s.gap <> 0 AND l.indicator IN ('births', 'births_male', 'births_female')
      -- A sum that its villages' returns explain is asked of the villages.
      AND (b.value IS NULL OR b.value <> l.value)
    UNION ALL
    SELECT l.office, l.period, l.record, l.indicator, 'villages', l.value, b.value
    FROM latest l JOIN below b ON l.office = b.office AND l.period = b.period AND l.indicator = b.indicator
    JOIN villages v ON v.parent = l.office
    WHERE l.level = 'township' AND b.sent = v.villages AND l.value <> b.value
), named AS (
    SELECT *, CASE WHEN indicator IN ('births', 'births_male', 'births_female') THEN 'births' ELSE indicator END AS sum_of
    FROM faults
)
-- What is said of a finding is one of its lines: that of the sum before those of its parts.
SELECT office, period, array_agg(DISTINCT record ORDER BY record) AS records,
       (array_agg(fault ORDER BY indicator, fault, record))[1] AS fault, min(indicator) AS indicator,
       (array_agg(value ORDER BY indicator, fault, record))[1] AS value,
       (array_agg(expected ORDER BY indicator, fault, record))[1] AS expected,
       (array_agg(value - expected ORDER BY indicator, fault, record))[1] AS gap
FROM named GROUP BY office, period, sum_of
