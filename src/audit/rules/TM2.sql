-- id: TM2
-- version: 1
-- verdict: fail
-- about: records
-- near: record
-- title_en: Backdated entry
-- title_zh: 补登（倒填）记录
-- ask_en: This was {fault}, {days} days after it occurred; why so late, and what proves the date?
-- ask_zh: 该事件发生{days}天后才上报或录入（{fault}）；为何如此晚，日期有何依据？
-- work_en: {fault}: {days} days from the event (asked for at most $late_days)
-- work_zh: {fault}：距事件发生{days}天（至多$late_days天）
-- param late_days: 365

WITH events AS (
    SELECT office, record, first_position, occurred_day, reported_day, recorded_day FROM births
    UNION ALL
    SELECT office, record, first_position, occurred_day, reported_day, recorded_day FROM registrations
    WHERE kind NOT IN ('household', 'resident')
    UNION ALL SELECT office, record, first_position, occurred_day, reported_day, recorded_day FROM pregnancy_losses
    UNION ALL SELECT office, record, first_position, occurred_day, reported_day, recorded_day FROM disbursements
    UNION ALL SELECT office, record, first_position, occurred_day, reported_day, recorded_day FROM activities
)
SELECT e.office, make_array(e.record) AS records,
       CASE WHEN e.reported_day - e.occurred_day > $late_days THEN 'reported_late' ELSE 'recorded_late' END AS fault,
       CASE WHEN e.reported_day - e.occurred_day > $late_days THEN e.reported_day - e.occurred_day
            ELSE e.recorded_day - e.occurred_day END AS days
FROM events e CROSS JOIN live l
WHERE e.reported_day - e.occurred_day > $late_days
   -- A correction is entered later than the report that it corrects.
   OR (e.recorded_day - e.occurred_day > $late_days AND e.record = e.first_position
       AND l.is_live AND e.occurred_day >= l.begun)
