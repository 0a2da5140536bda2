-- id: TM2
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Backdated entry
-- title_zh: 补登（倒填）记录
-- ask_en: This was reported {days} days after it occurred; why so late, and what proves the date?
-- ask_zh: 该事件发生{days}天后才上报；为何如此晚，日期有何依据？
-- param late_days: 365

WITH events AS (
    SELECT office, record, occurred_day, reported_day FROM births
    UNION ALL
    SELECT office, record, occurred_day, reported_day FROM registrations
    WHERE kind NOT IN ('household', 'resident')
    UNION ALL SELECT office, record, occurred_day, reported_day FROM pregnancy_losses
    UNION ALL SELECT office, record, occurred_day, reported_day FROM disbursements
    UNION ALL SELECT office, record, occurred_day, reported_day FROM activities
)
SELECT office, make_array(record) AS records, reported_day - occurred_day AS days
FROM events WHERE reported_day - occurred_day > $late_days
