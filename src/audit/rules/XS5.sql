-- id: XS5
-- version: 1
-- verdict: fail
-- about: records
-- near: certificate
-- title_en: Linked records disagree
-- title_zh: 关联记录不一致
-- ask_en: Two reports of one birth differ in {fault}; which is right?
-- ask_zh: 同一出生的两份报告在{fault}上不一致；哪一份正确？
-- work_en: one certificate: {village} by the village, {hospital} by the hospital ({fault}; dates may differ by $days days)
-- work_zh: 同一证号：村居填{village}，医院填{hospital}（{fault}；日期可差$days天）
-- param days: 3

SELECT v.office, make_array(v.record, h.record) AS records,
       CASE WHEN v.sex <> h.sex THEN 'sex' WHEN v.plurality <> h.plurality THEN 'plurality'
            WHEN abs(v.occurred_day - h.occurred_day) > $days THEN 'date' ELSE 'mother_born_on' END AS fault,
       -- A mother's birth date is sealed: that there are two is said.
       CASE WHEN v.sex <> h.sex THEN v.sex WHEN v.plurality <> h.plurality THEN CAST(v.plurality AS VARCHAR)
            WHEN abs(v.occurred_day - h.occurred_day) > $days THEN CAST(v.occurred_on AS VARCHAR) ELSE 'one' END AS village,
       CASE WHEN v.sex <> h.sex THEN h.sex WHEN v.plurality <> h.plurality THEN CAST(h.plurality AS VARCHAR)
            WHEN abs(v.occurred_day - h.occurred_day) > $days THEN CAST(h.occurred_on AS VARCHAR) ELSE 'another' END AS hospital
FROM births v JOIN births h ON v.certificate = h.certificate
WHERE v.source = 'village' AND h.source = 'hospital' AND v.certificate_ok
  AND (v.sex <> h.sex OR v.plurality <> h.plurality OR abs(v.occurred_day - h.occurred_day) > $days
       OR v.mother_born_day <> h.mother_born_day)
