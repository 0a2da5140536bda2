-- id: ID2
-- version: 1
-- verdict: fail
-- about: records
-- near: certificate
-- title_en: Birth certificate number
-- title_zh: 出生医学证明编号
-- ask_en: The certificate number of these records is {fault}; compare it with the certificate and send a correction.
-- ask_zh: 这些记录的出生医学证明编号有误（{fault}）；请核对证明并提交更正。
-- work_en: certificate numbers are a capital letter and 9 digits, each used once by one source; this one, on {uses} records: {fault}
-- work_zh: 证明编号应为1个大写字母加9位数字，同一来源仅用一次；此编号见于{uses}条记录：{fault}

-- once: several
WITH malformed AS (
    SELECT min(office) AS office, array_sort(array_agg(record)) AS records, 'format' AS fault, count(*) AS uses
    FROM births WHERE NOT certificate_ok GROUP BY certificate
), several AS (
    SELECT certificate, source FROM births WHERE certificate_ok GROUP BY certificate, source HAVING count(*) > 1
), used_twice AS (
    SELECT min(b.office) AS office, array_sort(array_agg(b.record)) AS records, 'used_twice' AS fault, count(*) AS uses
    FROM births b JOIN several s ON b.certificate = s.certificate AND b.source = s.source
    WHERE b.certificate_ok GROUP BY b.certificate, b.source
)
SELECT * FROM malformed UNION ALL SELECT * FROM used_twice
