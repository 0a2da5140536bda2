-- id: PL2
-- version: 1
-- verdict: fail
-- about: records
-- near: person
-- title_en: Live births of one mother
-- title_zh: 同一母亲的活产间隔
-- ask_en: Two live births of one mother are {days} days apart; which date, or which mother, is wrong?
-- ask_zh: 同一母亲两次活产相隔{days}天；哪个日期或哪位母亲有误？
-- work_en: {days} days between two live births of one mother; up to $one_delivery_days one delivery, up to $impossible_days impossible, up to $review_days to be looked at
-- work_zh: 同一母亲两次活产相隔{days}天；至多$one_delivery_days天为同一次分娩，至多$impossible_days天为不可能，至多$review_days天须复核
-- param one_delivery_days: 3
-- param impossible_days: 195
-- param review_days: 269

-- once: pairs
WITH several AS (
    -- Of two births, the days between them say at once whether there is anything to be seen.
    SELECT mother, source FROM births WHERE mother IS NOT NULL
    GROUP BY mother, source HAVING max(occurred_day) - min(occurred_day) > $one_delivery_days
                               AND (count(*) > 2 OR max(occurred_day) - min(occurred_day) <= $review_days)
), deliveries AS (
    SELECT b.mother, b.source, b.record, b.office, b.occurred_day,
           lag(b.occurred_day) OVER (PARTITION BY b.mother, b.source ORDER BY b.occurred_day, b.record) AS before_day,
           lag(b.record) OVER (PARTITION BY b.mother, b.source ORDER BY b.occurred_day, b.record) AS before_record
    FROM births b JOIN several s ON b.mother = s.mother AND b.source = s.source
), pairs AS (
    SELECT mother, office, record, before_record, occurred_day - before_day AS days,
           CASE WHEN occurred_day - before_day <= $impossible_days THEN 'fail' ELSE 'review' END AS verdict
    FROM deliveries
    WHERE occurred_day - before_day > $one_delivery_days AND occurred_day - before_day <= $review_days
), members AS (
    SELECT mother, office, verdict, record, days FROM pairs
    UNION ALL SELECT mother, office, verdict, before_record, days FROM pairs
)
-- What the village and the hospital both report is one finding.
SELECT min(office) AS office, array_agg(DISTINCT record ORDER BY record) AS records, min(days) AS days, verdict
FROM members GROUP BY mother, verdict
