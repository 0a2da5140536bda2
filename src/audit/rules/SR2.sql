-- id: SR2
-- version: 1
-- verdict: signal
-- about: office
-- title_en: Girls reported late
-- title_zh: 女婴迟报
-- ask_en: {late_girls} of {late} late reports are of girls; why are girls reported later?
-- ask_zh: {late}例迟报中女婴{late_girls}例；女婴为何报得更晚？
-- work_en: {late_girls} of {girls} girls and {late_boys} of {boys} boys were reported after more than $late_days days: Fisher exact, upper tail = {p} (mid-p {p_mid}); asked for p < $level and $ratio times the share of boys
-- work_zh: 女婴{girls}例中{late_girls}例、男婴{boys}例中{late_boys}例迟报超过$late_days天：Fisher精确检验上尾 = {p}（mid-p {p_mid}）；要求p < $level且为男婴比例的$ratio倍以上
-- param n: 20
-- param ratio: 1.5
-- param late_days: 31
-- param level: 0.001

-- once: tested
WITH counted AS (
    SELECT b.office, o.township, o.county, count(*) AS births, sum(CASE WHEN b.sex = 'F' THEN 1 ELSE 0 END) AS girls,
           sum(CASE WHEN b.reported_day - b.occurred_day > $late_days THEN 1 ELSE 0 END) AS late,
           sum(CASE WHEN b.sex = 'F' AND b.reported_day - b.occurred_day > $late_days THEN 1 ELSE 0 END) AS late_girls
    FROM births b JOIN offices o ON b.office = o.office
    WHERE b.source = 'village' AND b.sex IN ('M', 'F') AND b.reported_day IS NOT NULL
    GROUP BY b.office, o.township, o.county
), township_pool AS (
    SELECT coalesce(township, office) AS office, county, sum(births) AS births, sum(girls) AS girls, sum(late) AS late, sum(late_girls) AS late_girls
    FROM counted WHERE late < $n GROUP BY coalesce(township, office), county
), pool AS (
    SELECT office, births, girls, late, late_girls FROM counted WHERE late >= $n
    UNION ALL
    SELECT office, births, girls, late, late_girls FROM township_pool WHERE late >= $n
    UNION ALL
    SELECT coalesce(county, office), sum(births), sum(girls), sum(late), sum(late_girls)
    FROM township_pool WHERE late < $n GROUP BY coalesce(county, office)
), tested AS (
    SELECT *, CASE WHEN late >= $n THEN more_frequent(CAST(late_girls AS BIGINT), CAST(girls - late_girls AS BIGINT),
               CAST(late - late_girls AS BIGINT), CAST(births - girls - late + late_girls AS BIGINT)) END AS t
    FROM pool
)
SELECT office, births, girls, births - girls AS boys, late, late_girls, late - late_girls AS late_boys, t['p'] AS p, t['p_mid'] AS p_mid,
       late_girls * (births - girls) >= $ratio * (late - late_girls) * girls AS passes,
       CASE WHEN late < $n THEN 'insufficient' ELSE 'signal' END AS verdict
FROM tested
