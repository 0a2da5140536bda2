-- id: RS2
-- version: 1
-- verdict: fail
-- about: office
-- subject: override
-- title_en: Overrides
-- title_zh: 特别操作
-- ask_en: {override}: {times} times, last by {actor} with {second_actor}; what was it for?
-- ask_zh: {override}：{times}次，最近由{actor}与{second_actor}；缘由为何？
-- work_en: {override}, {times} times: every reopened period is a finding; a simulated clock is listed only
-- work_zh: {override}，{times}次：凡重开关账均列为发现；模拟时钟仅列示

SELECT office, period, override, times, actor, second_actor,
       CASE WHEN override = 'simulated_clock' THEN 'review' ELSE 'fail' END AS verdict
FROM overrides
