-- id: SR2
-- version: 1
-- verdict: signal
-- about: office
-- title_en: Girls reported late
-- title_zh: 女婴迟报
-- ask_en: {late_girls} of {late} late reports are of girls; why are girls reported later?
-- ask_zh: {late}例迟报中女婴{late_girls}例；女婴为何报得更晚？
-- param n: 20
-- param ratio: 1.5
-- param late_days: 31

WITH counted AS (
    SELECT office, count(*) AS births, sum(CASE WHEN sex='F' THEN 1 ELSE 0 END) AS girls,
      sum(CASE WHEN reported_day - occurred_day > $late_days THEN 1 ELSE 0 END) AS late,
      sum(CASE WHEN sex='F' AND reported_day - occurred_day > $late_days THEN 1 ELSE 0 END) AS late_girls
    FROM births WHERE source = 'village' AND sex IN ('M','F') GROUP BY office),
pool AS (SELECT office, births, girls, late, late_girls FROM counted WHERE late >= $n
  UNION ALL SELECT o.township, sum(births), sum(girls), sum(late), sum(late_girls) FROM counted c JOIN offices o ON c.office=o.office WHERE late < $n GROUP BY o.township),
tested AS (SELECT *, more_frequent(CAST(late_girls AS BIGINT), CAST(girls-late_girls AS BIGINT), CAST(late-late_girls AS BIGINT), CAST(births-girls-late+late_girls AS BIGINT)) AS t FROM pool WHERE late >= $n
  UNION ALL SELECT *, NULL FROM pool WHERE late < $n)
SELECT office, births, late, late_girls, t['p'] AS p, t['p_mid'] AS p_mid, late_girls * (births-girls) >= $ratio * (late-late_girls) * girls AS passes,
       CASE WHEN late < $n THEN 'insufficient' ELSE 'signal' END AS verdict FROM tested
