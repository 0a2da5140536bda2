-- id: PL2
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Live births of one mother
-- title_zh: 同一母亲的活产间隔
-- ask_en: Two live births of one mother are {days} days apart; which date, or which mother, is wrong?
-- ask_zh: 同一母亲两次活产相隔{days}天；哪个日期或哪位母亲有误？
-- param one_delivery_days: 3
-- param impossible_days: 195
-- param review_days: 269

WITH deliveries AS (
    SELECT mother, source, record, office, occurred_day,
           lag(occurred_day) OVER (PARTITION BY mother, source ORDER BY occurred_day, record) AS before_day,
           lag(record) OVER (PARTITION BY mother, source ORDER BY occurred_day, record) AS before_record
    FROM births WHERE mother IS NOT NULL
), pairs AS (
    SELECT mother, office, record, before_record, occurred_day - before_day AS days FROM deliveries
    WHERE occurred_day - before_day > $one_delivery_days AND occurred_day - before_day <= $review_days
), members AS (
    SELECT mother, office, record, days FROM pairs
    UNION ALL SELECT mother, office, before_record, days FROM pairs
)
SELECT min(office) AS office, array_agg(DISTINCT record ORDER BY record) AS records, min(days) AS days,
       CASE WHEN min(days) <= $impossible_days THEN 'fail' ELSE 'review' END AS verdict
FROM members GROUP BY mother
