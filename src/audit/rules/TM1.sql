-- id: TM1
-- version: 1
-- verdict: fail
-- about: records
-- near: person
-- title_en: Chronology
-- title_zh: 时间顺序
-- ask_en: The dates of this record contradict each other or another record ({fault}); which date is right?
-- ask_zh: 该记录的日期自相矛盾或与其他记录矛盾（{fault}）；哪个日期正确？
-- work_en: {fault}: {value} (asked for at least {least}; days to the report, to the entry, to the death, or the age in years of the younger at the marriage)
-- work_zh: {fault}：{value}（至少{least}；为距上报、距录入、距死亡的天数，或结婚时较年轻一方的周岁）
-- param days_after_death: 31
-- param marriage_age: 15

WITH dated AS (
    SELECT office, record, occurred_day, reported_day, recorded_day FROM births
    UNION ALL SELECT office, record, occurred_day, reported_day, recorded_day FROM registrations
    UNION ALL SELECT office, record, occurred_day, reported_day, recorded_day FROM pregnancy_losses
    UNION ALL SELECT office, record, occurred_day, reported_day, recorded_day FROM disbursements
    UNION ALL SELECT office, record, occurred_day, reported_day, recorded_day FROM activities
), deaths AS (
    -- The first, where several are reported.
    SELECT person, first / 1099511627776 - 1000000 AS died, first % 1099511627776 AS death FROM (
        -- Day and position in one number: days are above -1,000,000, positions below 2^40.
        SELECT person, min((occurred_day + 1000000) * 1099511627776 + record) AS first
        FROM registrations WHERE kind = 'death' AND person IS NOT NULL GROUP BY person
    )
), later AS (
    SELECT office, record, mother AS person, occurred_day FROM births
    UNION ALL
    SELECT office, record, person, occurred_day FROM registrations
    WHERE kind IN ('marriage', 'divorce', 'arrival', 'departure')
    UNION ALL
    SELECT office, record, partner, occurred_day FROM registrations WHERE kind IN ('marriage', 'divorce')
), faults AS (
    SELECT office, record, CAST(NULL AS BIGINT) AS other, 'occurred_after_report' AS fault,
           reported_day - occurred_day AS value, 0 AS least
    FROM dated WHERE occurred_day > reported_day
    UNION ALL
    SELECT office, record, NULL, 'after_recording', recorded_day - greatest(occurred_day, reported_day), 0
    FROM dated WHERE reported_day > recorded_day OR (occurred_day > recorded_day AND occurred_day <= reported_day)
    UNION ALL
    -- How many days would tell the birth date.
    SELECT office, record, NULL, 'before_birth', NULL, 0
    FROM registrations WHERE kind NOT IN ('household') AND born_day > occurred_day
    UNION ALL
    SELECT office, record, NULL, 'married_too_young', least(age, partner_age), $marriage_age
    FROM registrations WHERE kind = 'marriage' AND (age < $marriage_age OR partner_age < $marriage_age)
    UNION ALL
    SELECT later.office, later.record, deaths.death, 'after_death', deaths.died - later.occurred_day, -$days_after_death
    FROM later JOIN deaths ON later.person = deaths.person
    WHERE later.occurred_day > deaths.died + $days_after_death
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY record ORDER BY fault, other) AS rank FROM faults
)
SELECT office, CASE WHEN other IS NULL THEN make_array(record) ELSE make_array(record, other) END AS records,
       fault, value, least
FROM ranked WHERE rank = 1
