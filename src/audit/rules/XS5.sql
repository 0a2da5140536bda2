-- id: XS5
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Linked records disagree
-- title_zh: 关联记录不一致
-- ask_en: Two reports of one birth differ in {fault}; which is right?
-- ask_zh: 同一出生的两份报告在{fault}上不一致；哪一份正确？
-- param days: 3

SELECT v.office, make_array(v.record, h.record) AS records,
       CASE WHEN v.sex <> h.sex THEN 'sex' WHEN v.plurality <> h.plurality THEN 'plurality'
            WHEN abs(v.occurred_day - h.occurred_day) > $days THEN 'date' ELSE 'mother_born_on' END AS fault
FROM births v JOIN births h ON v.certificate = h.certificate
WHERE v.source = 'village' AND h.source = 'hospital' AND v.certificate_ok
  AND (v.sex <> h.sex OR v.plurality <> h.plurality OR abs(v.occurred_day - h.occurred_day) > $days
       OR v.mother_born_day <> h.mother_born_day)
