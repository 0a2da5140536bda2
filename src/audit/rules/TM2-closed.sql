-- id: TM2
-- part: closed
-- version: 1
-- verdict: fail
-- about: records
-- near: record
-- title_en: Entry into a closed period
-- title_zh: 补登已关账期间
-- ask_en: This was first entered after {period}, in which it occurred, had been closed; why so late, and who agreed?
-- ask_zh: 该事件发生于{period}，而首次录入在该期间关账之后；为何如此晚，何人同意？
-- work_en: first entered at position {entered}, after {period} was closed at position {closed_from} (asked for before it)
-- work_zh: 首次录入位置{entered}，晚于{period}关账位置{closed_from}（应在其前）

WITH events AS (
    SELECT office, record, first_position, occurred_day FROM births
    UNION ALL SELECT office, record, first_position, occurred_day FROM registrations WHERE kind NOT IN ('household', 'resident')
    UNION ALL SELECT office, record, first_position, occurred_day FROM pregnancy_losses
    UNION ALL SELECT office, record, first_position, occurred_day FROM disbursements
    UNION ALL SELECT office, record, first_position, occurred_day FROM activities
), hit AS (
    SELECT e.office, e.record, e.first_position, c.period, c.closed_from,
           row_number() OVER (PARTITION BY e.record ORDER BY c.closed_from, c.period) AS rank
    FROM events e JOIN offices o ON e.office = o.office
    JOIN closed_periods c ON c.office = o.office OR c.office = o.township OR c.office = o.county
    WHERE e.occurred_day BETWEEN c.first_day AND c.last_day AND e.first_position > c.closed_from
      AND (c.closed_until IS NULL OR e.first_position < c.closed_until)
)
SELECT office, period, make_array(record) AS records, first_position AS entered, closed_from FROM hit WHERE rank = 1
