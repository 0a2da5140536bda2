-- id: ID3
-- version: 1
-- verdict: fail
-- about: records
-- near: person
-- title_en: One number, two persons
-- title_zh: 一号两人
-- ask_en: These records carry one ID number and {names} different names; which of them is right?
-- ask_zh: 这些记录同一身份号码却有{names}个姓名；哪一个正确？
-- work_en: {names} different names with one ID number on {uses} resident and arrival records (asked for 1 name)
-- work_zh: 同一身份号码的{uses}条居民或迁入记录有{names}个姓名（应为1个）

WITH named AS (
    SELECT office, record, person, name FROM registrations
    WHERE kind IN ('resident', 'arrival') AND person IS NOT NULL AND name IS NOT NULL
), several AS (
    SELECT person FROM named GROUP BY person HAVING min(name) <> max(name)
)
SELECT min(n.office) AS office, array_sort(array_agg(n.record)) AS records,
       count(DISTINCT n.name) AS names, count(*) AS uses
FROM named n JOIN several s ON n.person = s.person
GROUP BY n.person
