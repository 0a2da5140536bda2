-- id: ID1
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Resident ID number
-- title_zh: 公民身份号码
-- ask_en: The {role} number of this record does not hold ({fault}); compare it with the document and send a correction.
-- ask_zh: 该记录的{role}号码有误（{fault}）；请核对证件并提交更正。

WITH numbers AS (
    SELECT office, record, 'mother' AS role, mother_number AS fault FROM births
    UNION ALL SELECT office, record, 'father', father_number FROM births
    UNION ALL SELECT office, record, 'person', number FROM registrations
    UNION ALL SELECT office, record, 'partner', partner_number FROM registrations
    UNION ALL SELECT office, record, 'beneficiary', number FROM disbursements
)
SELECT office, make_array(record) AS records,
       CASE WHEN max(CASE WHEN fault = 'first_generation' THEN 0 ELSE 1 END) = 1
            THEN 'fail' ELSE 'review' END AS verdict,
       min(role) AS role, min(fault) AS fault
FROM numbers
WHERE fault <> 'ok'
GROUP BY office, record
