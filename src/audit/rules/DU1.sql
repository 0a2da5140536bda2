-- id: DU1
-- version: 1
-- verdict: fail
-- about: records
-- near: person, certificate, woman
-- title_en: Certain duplicate
-- title_zh: 确定重复
-- ask_en: These records report one {event}; void all but one.
-- ask_zh: 这些记录报告的是同一{event}；请撤销多余的。
-- work_en: {count} records of one source agree in {agree} (asked for 1 record)
-- work_zh: 同一来源的{count}条记录在{agree}上一致（应为1条）

WITH twice AS (
    SELECT min(office) AS office, array_sort(array_agg(record)) AS records, 'birth' AS event, 'mother_name_sex_day' AS agree
    FROM births
    WHERE mother IS NOT NULL AND child_name IS NOT NULL AND sex IS NOT NULL AND plurality = 1
    GROUP BY source, mother, child_name, sex, occurred_day HAVING count(*) > 1
    UNION ALL
    SELECT min(office), array_sort(array_agg(record)), 'birth', 'certificate'
    FROM births WHERE certificate_ok GROUP BY source, certificate HAVING count(*) > 1
    UNION ALL
    -- Of twins as many records as were lost are none too many.
    SELECT min(office), array_sort(array_agg(record)), 'pregnancy_loss', 'woman_day'
    FROM pregnancy_losses WHERE woman IS NOT NULL
    GROUP BY source, woman, occurred_day HAVING count(*) > max(coalesce(plurality, 1))
    UNION ALL
    SELECT min(office), array_sort(array_agg(record)), kind, 'person_day'
    FROM registrations
    WHERE kind IN ('death', 'arrival', 'departure') AND person IS NOT NULL
    GROUP BY source, kind, person, occurred_day HAVING count(*) > 1
    UNION ALL
    -- Two villages may report one marriage, each with its own spouse first.
    SELECT min(office), array_sort(array_agg(record)), kind, 'persons_day'
    FROM registrations
    WHERE kind = 'marriage' AND (person IS NOT NULL OR partner IS NOT NULL)
    GROUP BY source, kind, least(person, partner), greatest(person, partner), occurred_day HAVING count(*) > 1
    UNION ALL
    SELECT min(office), array_sort(array_agg(record)), kind, 'person_name'
    FROM registrations WHERE kind = 'resident' AND person IS NOT NULL AND name IS NOT NULL
    GROUP BY source, kind, person, name HAVING count(*) > 1
    UNION ALL
    SELECT min(office), array_sort(array_agg(record)), 'entitlement', 'person_scheme_period'
    FROM disbursements WHERE flow = 'entitlement' AND person IS NOT NULL
    GROUP BY source, person, scheme, period HAVING count(*) > 1
)
SELECT min(office) AS office, records, event, min(agree) AS agree, array_length(records) AS count
FROM twice GROUP BY records, event
