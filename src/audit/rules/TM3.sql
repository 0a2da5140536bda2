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

-- once: lines
WITH lines AS (
    SELECT r.office, o.level, r.period, r.period_last_month AS month, r.period_last_day, r.indicator, min(r.submitted_day) AS submitted
    FROM returns r JOIN offices o ON r.office = o.office
    WHERE r.source = 'village' AND r.period_kind = 'month' AND o.level IN ('village', 'township')
    GROUP BY r.office, o.level, r.period, r.period_last_month, r.period_last_day, r.indicator
), rules AS (
    SELECT 'village' AS level, $village_due + $grace AS due_after UNION ALL SELECT 'township', $township_due + $grace
), periods AS (
    -- Every month from the first return of any office to the last; also one that nobody sent.
    SELECT unnest(generate_series(min(month), max(month))) AS month FROM lines
), dated AS (
    SELECT month, concat(CAST(month / 12 AS VARCHAR), '-', lpad(CAST(month % 12 + 1 AS VARCHAR), 2, '0')) AS period,
           CAST(extract(epoch FROM make_date((month + 1) / 12, (month + 1) % 12 + 1, 1)) AS BIGINT) / 86400 - 1 AS period_last_day
    FROM periods
), past AS (
    SELECT r.level, r.due_after, d.month, d.period FROM dated d CROSS JOIN rules r CROSS JOIN moment m
    WHERE m.today > d.period_last_day + r.due_after
), sent AS (
    SELECT l.office, l.level, l.indicator, min(l.month) AS first_month, count(DISTINCT CASE WHEN p.month IS NOT NULL THEN l.month END) AS months
    FROM lines l LEFT JOIN past p ON l.level = p.level AND l.month = p.month
    GROUP BY l.office, l.level, l.indicator
), wanting AS (
    -- Who sent as many months as there are due sent every one.
    SELECT s.office, s.level, s.indicator, s.first_month FROM sent s JOIN past p ON s.level = p.level AND p.month >= s.first_month
    GROUP BY s.office, s.level, s.indicator, s.first_month, s.months HAVING count(*) > s.months
), faults AS (
    SELECT l.office, l.period, 'late' AS fault, l.submitted - l.period_last_day - r.due_after AS days
    FROM lines l JOIN rules r ON l.level = r.level WHERE l.submitted > l.period_last_day + r.due_after
    UNION ALL
    SELECT office, period, 'early', submitted - period_last_day FROM lines WHERE submitted <= period_last_day
    UNION ALL
    SELECT w.office, p.period, 'missing', 0
    FROM wanting w JOIN past p ON w.level = p.level AND p.month > w.first_month
    LEFT JOIN lines l ON w.office = l.office AND p.month = l.month AND w.indicator = l.indicator
    WHERE l.office IS NULL
)
SELECT f.office, f.period,
       CASE WHEN max(CASE WHEN f.fault = 'early' THEN 0 ELSE 1 END) = 1 THEN 'fail' ELSE 'review' END AS verdict,
       max(f.fault) AS fault, max(f.days) AS days, count(*) AS indicators,
       max(r.due_after) AS due_after
FROM faults f JOIN offices o ON f.office = o.office JOIN rules r ON o.level = r.level GROUP BY f.office, f.period
