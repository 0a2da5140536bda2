-- id: PL1
-- version: 1
-- verdict: fail
-- about: records
-- near: record
-- title_en: Mother's age at birth
-- title_zh: 母亲生育年龄
-- ask_en: The mother was {age} years old by these dates; compare both birth dates with the documents.
-- ask_zh: 按所填日期母亲为{age}岁；请核对两个出生日期。
-- work_en: mother's age {age} years; impossible below $youngest or above $oldest, to be looked at below $review_below or from $review_from
-- work_zh: 母亲年龄{age}岁；小于$youngest或大于$oldest为不可能，小于$review_below或不小于$review_from须复核
-- param youngest: 12
-- param oldest: 55
-- param review_below: 15
-- param review_from: 50

SELECT office, make_array(record) AS records, mother_age AS age,
       CASE WHEN mother_age < $youngest OR mother_age > $oldest THEN 'fail' ELSE 'review' END AS verdict
FROM births WHERE mother_age < $review_below OR mother_age >= $review_from
