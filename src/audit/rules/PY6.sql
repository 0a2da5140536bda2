-- id: PY6
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Shared account
-- title_zh: 共用账户
-- ask_en: {persons} persons of several households are paid into one account; whose is it?
-- ask_zh: {persons}个不同家庭的人共用一个账户；账户属于谁？
-- param persons: 3
-- param households: 2

WITH homes AS (
    SELECT person, min(household) AS household FROM registrations
    WHERE kind IN ('resident', 'arrival') AND person IS NOT NULL GROUP BY person
)
SELECT min(d.office) AS office, array_agg(d.record ORDER BY d.record) AS records,
       count(DISTINCT d.person) AS persons
FROM disbursements d LEFT JOIN homes h ON d.person = h.person
WHERE d.flow = 'payment' AND d.account IS NOT NULL AND d.person IS NOT NULL
GROUP BY d.account
HAVING count(DISTINCT d.person) >= $persons
   AND count(DISTINCT coalesce(h.household, -d.person)) >= $households
