-- id: DU1
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Certain duplicate
-- title_zh: 确定重复
-- ask_en: These records report one {event}; void all but one.
-- ask_zh: 这些记录报告的是同一{event}；请撤销多余的。

WITH sets AS (
    SELECT min(office) AS office, array_agg(record ORDER BY record) AS records, 'birth' AS event
    FROM births
    WHERE mother IS NOT NULL AND child_name IS NOT NULL AND sex IS NOT NULL AND plurality = 1
    GROUP BY source, mother, child_name, sex, occurred_day HAVING count(*) > 1
    UNION ALL
    SELECT min(office), array_agg(record ORDER BY record), 'birth'
    FROM births WHERE certificate_ok GROUP BY source, certificate HAVING count(*) > 1
    UNION ALL
    SELECT min(office), array_agg(record ORDER BY record), 'pregnancy_loss'
    FROM pregnancy_losses WHERE woman IS NOT NULL
    GROUP BY source, woman, occurred_day HAVING count(*) > 1
    UNION ALL
    -- The tokens of women are destroyed with their year; what is left must agree in everything.
    SELECT min(office), array_agg(record ORDER BY record), 'pregnancy_loss'
    FROM pregnancy_losses WHERE woman IS NULL AND gestation_days IS NOT NULL
    GROUP BY source, office, occurred_day, gestation_days, plurality, timing, facility HAVING count(*) > 1
    UNION ALL
    SELECT min(office), array_agg(record ORDER BY record), kind
    FROM registrations
    WHERE kind IN ('death', 'arrival', 'departure', 'marriage') AND person IS NOT NULL
    GROUP BY source, kind, person, occurred_day HAVING count(*) > 1
    UNION ALL
    SELECT min(office), array_agg(record ORDER BY record), kind
    FROM registrations WHERE kind = 'resident' AND person IS NOT NULL AND name IS NOT NULL
    GROUP BY source, kind, person, name HAVING count(*) > 1
    UNION ALL
    SELECT min(office), array_agg(record ORDER BY record), 'entitlement'
    FROM disbursements WHERE flow = 'entitlement' AND person IS NOT NULL
    GROUP BY source, person, scheme, period HAVING count(*) > 1
)
SELECT DISTINCT office, records, event FROM sets
