-- id: PY6
-- version: 1
-- verdict: fail
-- about: records
-- title_en: Shared or changed account
-- title_zh: 账户共用或变更
-- ask_en: An account is {fault}: {persons} persons are paid into it; whose is it, and since when?
-- ask_zh: 账户{fault}：共{persons}人由此领取；账户属于谁，自何时起？
-- work_en: {fault}: {persons} persons of {households} households (asked for fewer than $persons persons or $households households); days from the last record with another account {days} (asked for more than $changed_days), {changed_share} of the accounts of the office changed in that month (more than $most_changed: all were)
-- work_zh: {fault}：{persons}人、{households}户（应少于$persons人或$households户）；距上次使用另一账户{days}天（应多于$changed_days天），当月本单位账户变更比例{changed_share}（超过$most_changed视为统一更换）
-- param persons: 3
-- param households: 2
-- param changed_days: 30
-- param most_changed: 0.2

-- once: accounts
WITH homes AS (
    SELECT person, min(household) AS household FROM registrations
    WHERE kind IN ('resident', 'arrival') AND person IS NOT NULL GROUP BY person
), paid AS (
    -- Who is in no register is a household alone; who is there without one may live with any other.
    SELECT d.*, CASE WHEN h.person IS NULL THEN -d.person ELSE h.household END AS home
    FROM disbursements d LEFT JOIN homes h ON d.person = h.person
    WHERE d.flow = 'payment' AND d.account IS NOT NULL AND d.person IS NOT NULL
), told AS (
    SELECT office, record, person, flow, occurred_day, occurred_month, account FROM disbursements
    WHERE flow IN ('entitlement', 'payment') AND account IS NOT NULL AND person IS NOT NULL
), changers AS (
    SELECT person FROM told GROUP BY person HAVING min(account) <> max(account)
), accounts AS (
    -- Of whoever had one account all the time, no record has another before it.
    SELECT t.*, lag(t.account) OVER (PARTITION BY t.person ORDER BY t.occurred_day, t.record) AS before_account,
           lag(t.occurred_day) OVER (PARTITION BY t.person ORDER BY t.occurred_day, t.record) AS before_day,
           lag(t.record) OVER (PARTITION BY t.person ORDER BY t.occurred_day, t.record) AS before_record
    FROM told t JOIN changers c ON t.person = c.person
), changed AS (
    SELECT office, occurred_month, count(DISTINCT person) AS persons FROM accounts
    WHERE account <> before_account GROUP BY office, occurred_month
), months AS (
    SELECT t.office, t.occurred_month, c.persons * 1.0 / count(DISTINCT t.person) AS changed_share
    FROM told t JOIN changed c ON t.office = c.office AND t.occurred_month = c.occurred_month
    GROUP BY t.office, t.occurred_month, c.persons
)
SELECT min(office) AS office, array_sort(array_agg(record)) AS records, 'shared' AS fault,
       count(DISTINCT person) AS persons, count(DISTINCT home) AS households,
       CAST(NULL AS BIGINT) AS days, CAST(NULL AS DOUBLE) AS changed_share
FROM paid GROUP BY account
HAVING count(DISTINCT person) >= $persons AND count(DISTINCT home) >= $households
UNION ALL
SELECT a.office, make_array(a.before_record, a.record), 'changed', 1, CAST(NULL AS BIGINT), a.occurred_day - a.before_day, m.changed_share
FROM accounts a JOIN months m ON a.office = m.office AND a.occurred_month = m.occurred_month
WHERE a.flow = 'payment' AND a.account <> a.before_account
  AND a.occurred_day - a.before_day <= $changed_days AND m.changed_share <= $most_changed
