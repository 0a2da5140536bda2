-- id: ID2
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Birth certificate number
-- title_zh: 出生医学证明编号
-- ask_en: The certificate number of these records is {fault}; compare it with the certificate and send a correction.
-- ask_zh: 这些记录的出生医学证明编号有误（{fault}）；请核对证明并提交更正。

WITH malformed AS (
    SELECT min(office) AS office, array_agg(record ORDER BY record) AS records, 'format' AS fault
    FROM births WHERE NOT certificate_ok GROUP BY certificate
), used_twice AS (
    SELECT min(office) AS office, array_agg(record ORDER BY record) AS records, 'used_twice' AS fault
    FROM births WHERE certificate_ok GROUP BY certificate, source HAVING count(*) > 1
)
SELECT * FROM malformed UNION ALL SELECT * FROM used_twice
