-- id: PL3
-- version: 1
-- verdict: fail
-- about: records
-- near: record
-- title_en: Weight and gestation impossible together
-- title_zh: 体重与孕周不可能并存
-- ask_en: {weight_g} g at {gestation_days} days of gestation is not possible (median {median_g} g); which of the two is mistyped?
-- ask_zh: 孕{gestation_days}天体重{weight_g}克不可能（中位数{median_g}克）；哪一项录入有误？
-- work_en: Hadlock's median at {weeks} weeks (at most 42): exp(0.578 + 0.332 w - 0.00354 w^2) = {median_g} g; stated {weight_g} g = {factor} times the median (asked for $lightest to $heaviest)
-- work_zh: Hadlock中位数（{weeks}周，至多42周）：exp(0.578 + 0.332 w - 0.00354 w^2) = {median_g}克；所填{weight_g}克为其{factor}倍（应在$lightest至$heaviest之间）
-- param lightest: 0.35
-- param heaviest: 2.2
-- param least_days: 140

WITH measured AS (
    SELECT office, record, weight_g, gestation_days, least(gestation_days / 7.0, 42.0) AS weeks
    FROM births WHERE weight_g IS NOT NULL AND gestation_days >= $least_days
    UNION ALL
    SELECT office, record, weight_g, gestation_days, least(gestation_days / 7.0, 42.0)
    FROM pregnancy_losses WHERE weight_g IS NOT NULL AND gestation_days >= $least_days
), against AS (
    SELECT *, exp(0.578 + 0.332 * weeks - 0.00354 * weeks * weeks) AS median_g FROM measured
)
SELECT office, make_array(record) AS records, weight_g, gestation_days, weeks, round(median_g) AS median_g,
       weight_g / median_g AS factor
FROM against WHERE weight_g < $lightest * median_g OR weight_g > $heaviest * median_g
