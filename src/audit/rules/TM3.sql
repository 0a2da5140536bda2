-- id: TM3
-- version: 1
-- verdict: fail
-- about: office
-- subject: fault
-- title_en: Return late or missing
-- title_zh: 报表迟报或缺报
-- ask_en: The return of {period} is {fault} ({indicators} indicators); when will it be, or was it, sent?
-- ask_zh: {period}报表{fault}（{indicators}项指标）；何时报送？
-- param village_due: 1
-- param township_due: 3
-- param grace: 2

WITH lines AS (
    SELECT r.office, r.period, r.period_last_day, r.indicator, min(r.submitted_day) AS submitted,
           r.period_last_day + CASE WHEN o.level = 'village' THEN $village_due ELSE $township_due END + $grace AS due
    FROM returns r JOIN offices o ON r.office = o.office
    WHERE r.source = 'village' AND r.period_kind = 'month' AND o.level IN ('village', 'township')
    GROUP BY r.office, r.period, r.period_last_day, r.indicator, o.level
), sent AS (
    SELECT office, indicator, min(period_last_day) AS first_day, max(period_last_day) AS last_day
    FROM lines GROUP BY office, indicator
), periods AS (
    SELECT DISTINCT period, period_last_day FROM lines
), due AS (
    SELECT s.office, p.period, p.period_last_day, s.indicator
    FROM sent s CROSS JOIN periods p WHERE p.period_last_day > s.first_day
), faults AS (
    SELECT office, period, 'late' AS fault, submitted - due AS days FROM lines WHERE submitted > due
    UNION ALL
    SELECT office, period, 'early', submitted - period_last_day FROM lines WHERE submitted <= period_last_day
    UNION ALL
    SELECT d.office, d.period, 'missing', 0
    FROM due d LEFT JOIN lines l
        ON d.office = l.office AND d.period = l.period AND d.indicator = l.indicator
    JOIN offices o ON d.office = o.office
    CROSS JOIN moment m
    WHERE l.office IS NULL
      AND m.today > d.period_last_day
          + CASE WHEN o.level = 'village' THEN $village_due ELSE $township_due END + $grace
)
SELECT office, period,
       CASE WHEN max(CASE WHEN fault = 'early' THEN 0 ELSE 1 END) = 1 THEN 'fail' ELSE 'review' END AS verdict,
       max(fault) AS fault, max(days) AS days, count(*) AS indicators
FROM faults GROUP BY office, period
