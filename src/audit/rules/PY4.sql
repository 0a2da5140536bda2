-- id: PY4
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Before eligibility
-- title_zh: 未达享受条件
-- ask_en: The beneficiary is {age} at the end of {period}, younger than the scheme asks; why is it paid?
-- ask_zh: 受益人在{period}末为{age}岁，未达项目年龄；为何发放？

SELECT d.office, d.period, make_array(d.record) AS records, d.age_at_period_end AS age
FROM disbursements d JOIN schemes s ON d.scheme = s.scheme
WHERE d.flow IN ('payment', 'entitlement') AND d.age_at_period_end < s.from_age
