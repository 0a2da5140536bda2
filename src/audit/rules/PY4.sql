-- id: PY4
-- version: 1
-- verdict: fail
-- about: records
-- near: record
-- title_en: Before eligibility
-- title_zh: 未达享受条件
-- ask_en: The beneficiary is {age} at the end of {period}, where the scheme asks for {from_age} ({fault}); why is it paid?
-- ask_zh: 受益人在{period}末为{age}岁，项目要求{from_age}岁（{fault}）；为何发放？
-- work_en: age {age} years on the last day of {period}, from {from_age} years on; last day of the period less first day of the scheme: {days} days (asked for at least 0)
-- work_zh: {period}末日年龄{age}岁，项目要求{from_age}岁；期间末日距项目开始日{days}天（至少0天）

SELECT d.office, d.period, make_array(d.record) AS records, d.age_at_period_end AS age, s.from_age,
       d.period_last_day - s.first_day AS days,
       CASE WHEN d.period_last_day < s.first_day THEN 'before_the_scheme' ELSE 'too_young' END AS fault
FROM disbursements d JOIN schemes s ON d.scheme = s.scheme
WHERE d.flow IN ('payment', 'entitlement')
  AND (d.age_at_period_end < s.from_age OR d.period_last_day < s.first_day)
