-- id: AR1
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Sums
-- title_zh: 合计
-- ask_en: {indicator} of {period} says {value}, and {expected} was counted ({fault}); correct the return or the records.
-- ask_zh: {period}的{indicator}填报{value}，核计为{expected}（{fault}）；请更正报表或记录。

WITH lines AS (
    SELECT r.record, r.office, o.level, o.parent, r.period, r.period_first_day, r.period_last_day,
           r.indicator, r.value, r.submitted_day
    FROM returns r JOIN offices o ON r.office = o.office
    WHERE r.source = 'village' AND r.value IS NOT NULL
      AND r.indicator IN ('births', 'births_male', 'births_female', 'marriages', 'deaths', 'arrivals', 'departures')
), happened AS (
    SELECT office, 'births' AS indicator, occurred_day, reported_day FROM births WHERE source = 'village'
    UNION ALL
    SELECT office, CASE WHEN sex = 'M' THEN 'births_male' ELSE 'births_female' END, occurred_day, reported_day
    FROM births WHERE source = 'village' AND sex IN ('M', 'F')
    UNION ALL
    SELECT office, CASE kind WHEN 'marriage' THEN 'marriages' WHEN 'death' THEN 'deaths'
                             WHEN 'arrival' THEN 'arrivals' ELSE 'departures' END, occurred_day, reported_day
    FROM registrations
    WHERE source = 'village' AND kind IN ('marriage', 'death', 'arrival', 'departure')
), counted AS (
    SELECT l.record, count(h.office) AS counted
    FROM lines l LEFT JOIN happened h
        ON l.office = h.office AND l.indicator = h.indicator
       AND h.occurred_day >= l.period_first_day AND h.occurred_day <= l.period_last_day
       AND h.reported_day <= l.submitted_day
    WHERE l.level = 'village'
    GROUP BY l.record
), sums AS (
    SELECT office, period,
           sum(CASE WHEN indicator = 'births' THEN value END)
           - sum(CASE WHEN indicator = 'births_male' THEN value END)
           - sum(CASE WHEN indicator = 'births_female' THEN value END) AS gap
    FROM lines GROUP BY office, period
), villages AS (
    SELECT parent, count(*) AS villages FROM offices WHERE level = 'village' GROUP BY parent
), below AS (
    SELECT parent AS office, period, indicator, sum(value) AS value, count(DISTINCT office) AS sent
    FROM lines WHERE level = 'village' GROUP BY parent, period, indicator
), faults AS (
    SELECT l.office, l.period, l.record, l.indicator, 'ledger' AS fault, l.value, CAST(c.counted AS DOUBLE) AS expected
    FROM lines l JOIN counted c ON l.record = c.record WHERE l.value <> c.counted
    UNION ALL
    SELECT l.office, l.period, l.record, l.indicator, 'boys_and_girls', l.value, l.value - s.gap
    FROM lines l JOIN sums s ON l.office = s.office AND l.period = s.period
    LEFT JOIN below b ON l.office = b.office AND l.period = b.period AND l.indicator = b.indicator
    WHERE s.gap <> 0 AND l.indicator IN ('births', 'births_male', 'births_female')
      -- A sum that its villages' returns explain is asked of the villages.
      AND (b.value IS NULL OR b.value <> l.value)
    UNION ALL
    SELECT l.office, l.period, l.record, l.indicator, 'villages', l.value, b.value
    FROM lines l JOIN below b ON l.office = b.office AND l.period = b.period AND l.indicator = b.indicator
    JOIN villages v ON v.parent = l.office
    WHERE l.level = 'township' AND b.sent = v.villages AND l.value <> b.value
)
SELECT office, period, array_agg(DISTINCT record ORDER BY record) AS records, min(fault) AS fault,
       min(indicator) AS indicator, min(value) AS value, min(expected) AS expected
FROM faults
GROUP BY office, period,
         CASE WHEN indicator IN ('births', 'births_male', 'births_female') THEN 'births' ELSE indicator END
