-- id: TM3
-- version: 1
-- verdict: fail
-- about: office
-- subject: fault
-- title_en: Return late or missing
-- title_zh: 报表迟报或缺报
-- ask_en: The return of {period} is {fault} ({indicators} indicators); when will it be, or was it, sent?
-- ask_zh: {period}报表{fault}（{indicators}项指标）；何时报送？
-- work_en: {fault}: due {due_after} days after the period ended with $grace days of grace; latest of {indicators} indicators {days} days after that (missing: counted as 0, early: days after the period ended)
-- work_zh: {fault}：期末后{due_after}天到期（含宽限$grace天）；{indicators}项指标中最迟者逾期{days}天（缺报计0，提前者为距期末天数）
-- param village_due: 1
-- param township_due: 3
-- param grace: 2

WITH lines AS (
    SELECT r.office, r.period, r.period_last_month AS month, r.period_last_day, r.indicator, min(r.submitted_day) AS submitted,
           r.period_last_day + CASE WHEN o.level = 'village' THEN $village_due ELSE $township_due END + $grace AS due
    FROM returns r JOIN offices o ON r.office = o.office
    WHERE r.source = 'village' AND r.period_kind = 'month' AND o.level IN ('village', 'township')
    GROUP BY r.office, r.period, r.period_last_month, r.period_last_day, r.indicator, o.level
), sent AS (
    SELECT office, indicator, min(month) AS first_month FROM lines GROUP BY office, indicator
), periods AS (
    -- Every month from the first return of any office to the last; also one that nobody sent.
    SELECT unnest(generate_series(min(month), max(month))) AS month FROM lines
), dated AS (
    SELECT month, concat(CAST(month / 12 AS VARCHAR), '-', lpad(CAST(month % 12 + 1 AS VARCHAR), 2, '0')) AS period,
           CAST(extract(epoch FROM make_date((month + 1) / 12, (month + 1) % 12 + 1, 1)) AS BIGINT) / 86400 - 1 AS period_last_day
    FROM periods
), faults AS (
    SELECT office, period, 'late' AS fault, submitted - due AS days FROM lines WHERE submitted > due
    UNION ALL
    SELECT office, period, 'early', submitted - period_last_day FROM lines WHERE submitted <= period_last_day
    UNION ALL
    SELECT s.office, d.period, 'missing', 0
    FROM sent s CROSS JOIN dated d JOIN offices o ON s.office = o.office CROSS JOIN moment m
    LEFT JOIN lines l ON s.office = l.office AND d.month = l.month AND s.indicator = l.indicator
    WHERE l.office IS NULL AND d.month > s.first_month
      AND m.today > d.period_last_day
          + CASE WHEN o.level = 'village' THEN $village_due ELSE $township_due END + $grace
)
SELECT f.office, f.period,
       CASE WHEN max(CASE WHEN f.fault = 'early' THEN 0 ELSE 1 END) = 1 THEN 'fail' ELSE 'review' END AS verdict,
       max(f.fault) AS fault, max(f.days) AS days, count(*) AS indicators,
       max(CASE WHEN o.level = 'village' THEN $village_due ELSE $township_due END + $grace) AS due_after
FROM faults f JOIN offices o ON f.office = o.office GROUP BY f.office, f.period
