-- id: PY2
-- version: 1
-- verdict: fail
-- about: records
-- near: person
-- title_en: Paid after death
-- title_zh: 死亡后发放
-- ask_en: This is for {period}, which begins {days} days after the death of the beneficiary; reverse it.
-- ask_zh: 该笔属于{period}，该期间始于受益人死亡后{days}天；请冲回。
-- work_en: first day of {period} less day of death = {days} days (asked for at most 0)
-- work_zh: {period}首日距死亡日{days}天（至多0天）

WITH deaths AS (
    SELECT person, min(occurred_day) AS died FROM registrations
    WHERE kind = 'death' AND person IS NOT NULL GROUP BY person
)
SELECT d.office, d.period, make_array(d.record) AS records, d.period_first_day - x.died AS days,
       CASE WHEN d.period_first_day > x.died THEN 'fail' ELSE 'review' END AS verdict
FROM disbursements d JOIN deaths x ON d.person = x.person
WHERE d.flow IN ('payment', 'entitlement')
  AND (d.period_first_day > x.died
       OR (d.flow = 'entitlement' AND x.died < d.occurred_day AND d.period_first_day <= x.died))
