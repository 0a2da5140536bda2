-- id: ID1
-- version: 1
-- verdict: fail
-- about: records
-- near: record
-- title_en: Resident ID number
-- title_zh: 公民身份号码
-- ask_en: The {role} number of this record does not hold ({fault}); compare it with the document and send a correction.
-- ask_zh: 该记录的{role}号码有误（{fault}）；请核对证件并提交更正。
-- work_en: GB 11643 of the {role} number: 17 digits, ISO 7064 MOD 11-2 check character, birth date and sex as stated; it fails at {fault} (asked for ok)
-- work_zh: 按GB 11643核验{role}号码：17位数字、ISO 7064 MOD 11-2校验码、出生日期与性别须与所填一致；未通过项：{fault}（应为ok）

WITH numbers AS (
    SELECT office, record, 'mother' AS role, mother_number AS fault FROM births
    UNION ALL SELECT office, record, 'father', father_number FROM births
    UNION ALL SELECT office, record, 'person', number FROM registrations
    UNION ALL SELECT office, record, 'partner', partner_number FROM registrations
    UNION ALL SELECT office, record, 'beneficiary', number FROM disbursements
), ranked AS (
    -- A number of the first generation is to be looked at; what is worse is said before it.
    SELECT office, record, role, fault,
           row_number() OVER (PARTITION BY record ORDER BY CASE WHEN fault = 'first_generation' THEN 1 ELSE 0 END, role) AS rank
    FROM numbers WHERE fault <> 'ok'
)
SELECT office, make_array(record) AS records,
       CASE WHEN fault = 'first_generation' THEN 'review' ELSE 'fail' END AS verdict, role, fault
FROM ranked WHERE rank = 1
