-- id: ID3
-- version: 1
-- verdict: fail
-- about: records
-- title_en: One number, two persons
-- title_zh: 一号两人
-- ask_en: These records carry one ID number and {names} different names; which of them is right?
-- ask_zh: 这些记录同一身份号码却有{names}个姓名；哪一个正确？
-- work_en: {names} different names with one ID number on {uses} resident and arrival records (asked for 1 name)
-- work_zh: 同一身份号码的{uses}条居民或迁入记录有{names}个姓名（应为1个）

SELECT min(office) AS office, array_agg(record ORDER BY record) AS records,
       count(DISTINCT name) AS names, count(*) AS uses
FROM registrations
WHERE kind IN ('resident', 'arrival') AND person IS NOT NULL AND name IS NOT NULL
GROUP BY person
HAVING count(DISTINCT name) > 1
