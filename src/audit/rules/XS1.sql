-- id: XS1
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Known to one source only
-- title_zh: 仅一方来源知晓
-- ask_en: This birth is {fault}; was it reported there under another name or number, or not at all?
-- ask_zh: 该出生{fault}；是否以其他姓名或编号上报，或未上报？
-- param days: 90

WITH v AS (SELECT * FROM births WHERE source = 'village'),
h AS (SELECT * FROM births WHERE source = 'hospital'),
spans AS (
    SELECT office AS facility, min(occurred_day) AS first_day, max(occurred_day) AS last_day FROM h GROUP BY office
), village_span AS (
    SELECT min(occurred_day) AS first_day, max(occurred_day) AS last_day FROM v
), linked_villages AS (SELECT DISTINCT village AS record FROM birth_links),
linked_hospital AS (SELECT DISTINCT hospital AS record FROM birth_links)
SELECT v.office, make_array(v.record) AS records, 'not_in_hospital' AS fault
FROM v JOIN spans s ON v.facility = s.facility CROSS JOIN moment m
LEFT JOIN linked_villages l ON v.record = l.record
WHERE v.place = 'facility' AND l.record IS NULL
  AND v.occurred_day >= s.first_day AND v.occurred_day <= s.last_day
  AND v.occurred_day + $days <= m.today
UNION ALL
SELECT h.residence_office, make_array(h.record), 'not_in_village'
FROM h CROSS JOIN village_span s CROSS JOIN moment m
LEFT JOIN linked_hospital l ON h.record = l.record
WHERE l.record IS NULL AND h.residence_office IS NOT NULL
  AND h.occurred_day >= s.first_day AND h.occurred_day <= s.last_day
  AND h.occurred_day + $days <= m.today
