-- id: FN1
-- version: 1
-- verdict: signal
-- about: office
-- subject: indicator
-- title_en: Unit comparison
-- title_zh: 单位比较
-- ask_en: {events} {indicator}, where the residents and the other offices give {expected}; what differs here?
-- ask_zh: {indicator}{events}例，按人口与其他单位推得{expected}；此处有何不同？
-- work_en: {events} events, {residents} residents, against {expected} from the rate of the {others} other offices: ratio {ratio}; the larger p of the exact conditional binomial and of a score with their scatter ({dispersion} times chance) = {p} (mid-p {p_mid}); asked for p < $level and a ratio of $ratio or more, or 1/$ratio or less
-- work_zh: {events}例，居民{residents}人；由其余{others}个单位的率推得{expected}：比值{ratio}；精确条件二项与含离散（为随机的{dispersion}倍）得分二者较大的p = {p}（mid-p {p_mid}）；要求p < $level且比值不小于$ratio或不大于1/$ratio
-- param units: 10
-- param expected: 10
-- param ratio: 1.2
-- param winsorised: 0.1
-- param level: 0.001

-- once: events, tested
WITH homes AS (
    SELECT office, count(*) AS residents FROM registrations
    WHERE kind = 'resident' AND source = 'village' GROUP BY office
), happened AS (
    SELECT office, indicator, sum(value) AS events FROM figures
    WHERE series = 'registered' AND indicator IN ('births', 'deaths', 'marriages', 'arrivals', 'departures')
    GROUP BY office, indicator
), events AS (
    -- An office that reports none of what others report is one with none.
    SELECT h.office, i.indicator, h.residents, CAST(coalesce(e.events, 0) AS BIGINT) AS events
    FROM homes h CROSS JOIN (SELECT DISTINCT indicator FROM happened) i
    LEFT JOIN happened e ON h.office = e.office AND i.indicator = e.indicator
), totals AS (
    SELECT indicator, count(*) AS units, sum(events) AS events, sum(residents) AS residents FROM events GROUP BY indicator
), held AS (
    SELECT e.*, t.units, (t.events - e.events) * 1.0 * e.residents / (t.residents - e.residents) AS expected, t.events AS total,
           e.residents * 1.0 / t.residents AS part
    FROM events e JOIN totals t ON e.indicator = t.indicator
), lists AS (
    SELECT indicator, array_agg(office ORDER BY office) AS offices, array_agg(events ORDER BY office) AS counts,
           array_agg(CAST(residents AS DOUBLE) ORDER BY office) AS residents
    FROM events GROUP BY indicator HAVING count(*) >= $units
), compared AS (
    SELECT indicator, unnest(offices) AS office, unnest(compare_units(counts, residents, $winsorised)) AS t FROM lists
), tested AS (
    -- What is expected to be few is not tested; it takes part in the rate of the others.
    SELECT h.*, c.t, c.t['p'] IS NOT NULL AND h.units >= $units AND h.expected >= $expected AS is_tested
    FROM held h LEFT JOIN compared c ON h.indicator = c.indicator AND h.office = c.office
)
SELECT office, indicator, events, residents, coalesce(t['expected'], expected) AS expected, t['ratio'] AS ratio,
       t['dispersion'] AS dispersion, units - 1 AS others,
       CASE WHEN is_tested THEN t['p'] END AS p, CASE WHEN is_tested THEN t['p_mid'] END AS p_mid,
       t['ratio'] >= $ratio OR t['ratio'] * $ratio <= 1 AS passes,
       CASE WHEN is_tested THEN 'signal' ELSE 'insufficient' END AS verdict,
       -- The ratio that the events show, if the others scatter no more than chance.
       share_shown_above(total, part, $level / 2, 0.8) * (1 - part)
       / ((1 - share_shown_above(total, part, $level / 2, 0.8)) * part) AS shows
FROM tested
