-- id: PY3
-- version: 1
-- verdict: fail
-- about: records
-- near: person, alike
-- title_en: No registry link
-- title_zh: 登记中无此人
-- ask_en: The beneficiary is {fault} in the registers; who is it?
-- ask_zh: 受益人在登记中{fault}；请说明是谁。
-- work_en: resident or arrival records of this person, in any office: {known}; first day of the period less day of departure: {days} days (asked for at least 1 record, and no departure before)
-- work_zh: 该人在各单位的居民或迁入记录：{known}条；期间首日距迁出日{days}天（至少1条，且此前未迁出）

WITH known AS (
    SELECT person, max(CASE WHEN kind = 'departure' THEN occurred_day END) AS departed,
           max(CASE WHEN kind <> 'departure' THEN occurred_day END) AS came,
           sum(CASE WHEN kind <> 'departure' THEN 1 ELSE 0 END) AS known
    FROM registrations WHERE kind IN ('resident', 'arrival', 'departure') AND person IS NOT NULL
    GROUP BY person
), alike AS (
    SELECT DISTINCT alike FROM registrations WHERE kind IN ('resident', 'arrival') AND alike IS NOT NULL
)
SELECT d.office, d.period, make_array(d.record) AS records, coalesce(k.known, 0) AS known,
       d.period_first_day - k.departed AS days,
       CASE WHEN k.came IS NULL THEN 'unknown' ELSE 'departed' END AS fault
FROM disbursements d LEFT JOIN known k ON d.person = k.person
LEFT JOIN alike a ON d.alike = a.alike
WHERE d.flow = 'payment' AND (d.person IS NOT NULL OR d.alike IS NOT NULL)
  AND ((k.came IS NULL AND a.alike IS NULL)
       OR (k.departed < d.period_first_day AND k.departed >= k.came))
