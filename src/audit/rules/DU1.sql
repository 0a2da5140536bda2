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

-- once: mothers, certificates, residents
WITH mothers AS (
    -- Who agrees in all agrees in this, which is quickly seen, and whose records are gathered then.
    SELECT mother, occurred_day FROM births WHERE mother IS NOT NULL AND plurality = 1
    GROUP BY mother, occurred_day, source HAVING count(*) > 1
), certificates AS (
    SELECT certificate, source FROM births WHERE certificate_ok GROUP BY certificate, source HAVING count(*) > 1
), residents AS (
    SELECT person FROM registrations WHERE kind = 'resident' AND person IS NOT NULL GROUP BY person HAVING count(*) > 1
), twice AS (
    SELECT min(b.office) AS office, array_sort(array_agg(b.record)) AS records, 'birth' AS event, 'mother_name_sex_day' AS agree
    FROM births b JOIN (SELECT DISTINCT mother, occurred_day FROM mothers) m ON b.mother = m.mother AND b.occurred_day = m.occurred_day
    WHERE b.child_name IS NOT NULL AND b.sex IS NOT NULL AND b.plurality = 1
    GROUP BY b.source, b.mother, b.child_name, b.sex, b.occurred_day HAVING count(*) > 1
    UNION ALL
    SELECT min(b.office), array_sort(array_agg(b.record)), 'birth', 'certificate'
    FROM births b JOIN certificates c ON b.certificate = c.certificate AND b.source = c.source
    WHERE b.certificate_ok GROUP BY b.source, b.certificate
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
    SELECT min(r.office), array_sort(array_agg(r.record)), r.kind, 'person_name'
    FROM registrations r JOIN residents p ON r.person = p.person WHERE r.kind = 'resident' AND r.name IS NOT NULL
    GROUP BY r.source, r.kind, r.person, r.name HAVING count(*) > 1
    UNION ALL
    SELECT min(office), array_sort(array_agg(record)), 'entitlement', 'person_scheme_period'
    FROM disbursements WHERE flow = 'entitlement' AND person IS NOT NULL
    GROUP BY source, person, scheme, period HAVING count(*) > 1
)
SELECT min(office) AS office, records, event, min(agree) AS agree, array_length(records) AS count
FROM twice GROUP BY records, event
