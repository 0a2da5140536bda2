-- id: TM1
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Chronology
-- title_zh: 时间顺序
-- ask_en: The dates of this record contradict each other or another record ({fault}); which date is right?
-- ask_zh: 该记录的日期自相矛盾或与其他记录矛盾（{fault}）；哪个日期正确？
-- param days_after_death: 31
-- param marriage_age: 15

WITH dated AS (
    SELECT office, record, occurred_day, reported_day, recorded_day FROM births
    UNION ALL SELECT office, record, occurred_day, reported_day, recorded_day FROM registrations
    UNION ALL SELECT office, record, occurred_day, reported_day, recorded_day FROM pregnancy_losses
    UNION ALL SELECT office, record, occurred_day, reported_day, recorded_day FROM disbursements
    UNION ALL SELECT office, record, occurred_day, reported_day, recorded_day FROM activities
), deaths AS (
    SELECT person, min(occurred_day) AS died, min(record) AS death
    FROM registrations WHERE kind = 'death' AND person IS NOT NULL GROUP BY person
), later AS (
    SELECT office, record, mother AS person, occurred_day FROM births
    UNION ALL
    SELECT office, record, person, occurred_day FROM registrations
    WHERE kind IN ('marriage', 'divorce', 'arrival', 'departure')
    UNION ALL
    SELECT office, record, partner, occurred_day FROM registrations WHERE kind IN ('marriage', 'divorce')
), faults AS (
    SELECT office, record, CAST(NULL AS BIGINT) AS other, 'occurred_after_report' AS fault
    FROM dated WHERE occurred_day > reported_day
    UNION ALL
    SELECT office, record, NULL, 'after_recording'
    FROM dated WHERE reported_day > recorded_day OR (occurred_day > recorded_day AND occurred_day <= reported_day)
    UNION ALL
    SELECT office, record, NULL, 'before_birth'
    FROM registrations WHERE kind NOT IN ('household') AND born_day > occurred_day
    UNION ALL
    SELECT office, record, NULL, 'married_too_young'
    FROM registrations WHERE kind = 'marriage' AND (age < $marriage_age OR partner_age < $marriage_age)
    UNION ALL
    SELECT later.office, later.record, deaths.death, 'after_death'
    FROM later JOIN deaths ON later.person = deaths.person
    WHERE later.occurred_day > deaths.died + $days_after_death
)
SELECT min(office) AS office, make_array(record) AS records, min(fault) AS fault
FROM faults GROUP BY record
