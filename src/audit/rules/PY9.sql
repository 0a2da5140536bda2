-- id: PY9
-- version: 1
-- verdict: fail
-- about: records
-- near: person
-- title_en: Not on the list
-- title_zh: 不在应发名单
-- ask_en: This payment for {period} has no entitlement; on what ground was it made?
-- ask_zh: {period}的该笔发放没有应发记录；依据是什么？
-- work_en: entitlements of this person, scheme and period: {entitlements} (asked for at least 1)
-- work_zh: 该人该项目该期间的应发记录：{entitlements}条（至少1条）

WITH entitled AS (
    SELECT DISTINCT person, scheme, period FROM disbursements WHERE flow = 'entitlement' AND person IS NOT NULL
)
SELECT d.office, d.period, make_array(d.record) AS records, 0 AS entitlements
FROM disbursements d LEFT JOIN entitled e
    ON d.person = e.person AND d.scheme = e.scheme AND d.period = e.period
WHERE d.flow = 'payment' AND d.person IS NOT NULL AND e.person IS NULL
