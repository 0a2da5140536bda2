-- Units: an office that has trials enough, else it is pooled with the others that have not: of its
-- township, and where these are still too few, of its county.
-- Needs: events(office, of, at, hit), of which those with a hit of 0 or 1 are trials, and $n.
-- Gives: sample(office, of, trials, successes), members(office, of, unit) and pooled(unit, of, trials, successes).
-- once: sample
sample AS (
    SELECT office, of, count(hit) AS trials, coalesce(sum(hit), 0) AS successes FROM events GROUP BY office, of
),
township_pool AS (
    SELECT o.township AS unit, s.of, sum(s.trials) AS trials FROM sample s JOIN offices o ON s.office = o.office
    WHERE s.trials < $n AND o.township IS NOT NULL GROUP BY o.township, s.of
),
members AS (
    SELECT s.office, s.of, CASE WHEN s.trials >= $n THEN s.office WHEN p.trials >= $n THEN p.unit
                                ELSE coalesce(o.county, o.township, s.office) END AS unit
    FROM sample s JOIN offices o ON s.office = o.office LEFT JOIN township_pool p ON o.township = p.unit AND s.of = p.of
),
pooled AS (
    SELECT m.unit, m.of, sum(s.trials) AS trials, sum(s.successes) AS successes
    FROM members m JOIN sample s ON m.office = s.office AND m.of = s.of GROUP BY m.unit, m.of
)
