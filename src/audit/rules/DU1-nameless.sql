-- id: DU1
-- part: nameless
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Certain duplicate
-- title_zh: 确定重复
-- ask_en: These records report one {event}; void all but one.
-- ask_zh: 这些记录报告的是同一{event}；请撤销多余的。
-- work_en: {count} records of one source agree in {agree} (asked for 1 record)
-- work_zh: 同一来源的{count}条记录在{agree}上一致（应为1条）

-- The tokens of women are destroyed with their year; what is left must agree in everything.
SELECT min(office) AS office, array_sort(array_agg(record)) AS records, 'pregnancy_loss' AS event,
       'everything' AS agree, count(*) AS count
FROM pregnancy_losses WHERE woman IS NULL AND gestation_days IS NOT NULL
GROUP BY source, office, occurred_day, gestation_days, weight_g, plurality, timing, facility, case_no
-- Of twins as many records as were lost are none too many.
HAVING count(*) > max(coalesce(plurality, 1))
