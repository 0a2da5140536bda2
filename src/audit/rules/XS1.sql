-- id: XS1
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Known to one source only
-- title_zh: 仅一方来源知晓
-- ask_en: This birth is {fault}; was it reported there under another name or number, or not at all?
-- ask_zh: 该出生{fault}；是否以其他姓名或编号上报，或未上报？
-- work_en: records of the other source by certificate, by mother within 3 days, or by her birth date and the name of the child: {linked} (asked for at least 1, {days} days after the birth, at least $days)
-- work_zh: 另一来源中按证号、按母亲（3天内）或按其出生日期与婴儿姓名可关联的记录：{linked}条（出生{days}天后应至少1条，须满$days天）
-- param days: 90

WITH v AS (SELECT * FROM births WHERE source = 'village'),
h AS (SELECT * FROM births WHERE source = 'hospital'),
facilities AS (
    SELECT office AS facility, min(occurred_day) AS first_day, max(occurred_day) AS last_day FROM h GROUP BY office
), linked_villages AS (SELECT DISTINCT village AS record FROM birth_links),
linked_hospital AS (SELECT DISTINCT hospital AS record FROM birth_links)
SELECT v.office, make_array(v.record) AS records, 'not_in_hospital' AS fault, 0 AS linked, m.today - v.occurred_day AS days
FROM v JOIN facilities s ON v.facility = s.facility CROSS JOIN moment m
LEFT JOIN linked_villages l ON v.record = l.record
WHERE v.place = 'facility' AND l.record IS NULL
  AND v.occurred_day >= s.first_day AND v.occurred_day <= s.last_day
  AND v.occurred_day + $days <= m.today
UNION ALL
SELECT h.residence_office, make_array(h.record), 'not_in_village', 0, m.today - h.occurred_day
FROM h JOIN spans s ON s.source = 'village' CROSS JOIN moment m
LEFT JOIN linked_hospital l ON h.record = l.record
WHERE l.record IS NULL AND h.residence_office IS NOT NULL
  AND h.occurred_day >= s.first_day AND h.occurred_day <= s.last_day
  AND h.occurred_day + $days <= m.today
