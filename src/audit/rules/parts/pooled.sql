-- Units: an office that has trials enough, else it is pooled with the others that have not.
-- Needs: sample(office, of, trials, successes), $n. Gives: pooled(unit, of, trials, successes).
alone AS (SELECT office AS unit, of, trials, successes FROM sample WHERE trials >= $n),
township_pool AS (
    SELECT o.township AS unit, s.of, sum(s.trials) AS trials, sum(s.successes) AS successes
    FROM sample s JOIN offices o ON s.office = o.office WHERE s.trials < $n GROUP BY o.township, s.of
),
county_pool AS (
    SELECT o.county AS unit, t.of, sum(t.trials) AS trials, sum(t.successes) AS successes
    FROM township_pool t JOIN offices o ON t.unit = o.office WHERE t.trials < $n GROUP BY o.county, t.of
),
pooled AS (
    SELECT * FROM alone UNION ALL SELECT * FROM township_pool WHERE trials >= $n UNION ALL SELECT * FROM county_pool
)
