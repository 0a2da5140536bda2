-- Births of the villages with the same births of the hospitals; many to one. What links a pair is said once: the
-- certificate, else the mother, else her birth date with the child's name.
WITH v AS (SELECT * FROM births WHERE source = 'village'), h AS (SELECT * FROM births WHERE source = 'hospital'),
by_certificate AS (
    SELECT v.record AS village, h.record AS hospital, 1 AS how FROM v JOIN h ON v.certificate = h.certificate
), by_mother AS (
    SELECT v.record AS village, h.record AS hospital, 2 AS how, v.certificate = h.certificate AS known
    FROM v JOIN h ON v.mother = h.mother
    WHERE v.occurred_day - h.occurred_day BETWEEN -3 AND 3
      -- Of twins, two certificates are two children, unless both have one name.
      AND (coalesce(v.plurality, 1) = 1 OR v.certificate IS NULL OR h.certificate IS NULL
           OR v.certificate = h.certificate OR v.child_name = h.child_name)
), by_name AS (
    SELECT v.record AS village, h.record AS hospital, 3 AS how, v.certificate = h.certificate
           OR (v.mother = h.mother AND v.occurred_day - h.occurred_day BETWEEN -3 AND 3) AS known
    FROM v JOIN h ON v.mother_born_day = h.mother_born_day AND v.child_name = h.child_name
)
-- Who agree in the name need not be asked about twins.
SELECT village, hospital, how FROM by_certificate
UNION ALL SELECT village, hospital, how FROM by_mother WHERE known IS NOT TRUE
UNION ALL SELECT village, hospital, how FROM by_name WHERE known IS NOT TRUE
