-- Births of the villages with the same births of the hospitals; many to one.
WITH v AS (SELECT * FROM births WHERE source = 'village'), h AS (SELECT * FROM births WHERE source = 'hospital'),
linked AS (
    SELECT v.record AS village, h.record AS hospital, 1 AS how FROM v JOIN h ON v.certificate = h.certificate
    UNION ALL
    SELECT v.record, h.record, 2 FROM v JOIN h ON v.mother = h.mother
    WHERE v.occurred_day - h.occurred_day BETWEEN -3 AND 3
      -- Of twins, two certificates are two children, unless both have one name.
      AND (coalesce(v.plurality, 1) = 1 OR v.certificate IS NULL OR h.certificate IS NULL
           OR v.certificate = h.certificate OR v.child_name = h.child_name)
    UNION ALL
    SELECT v.record, h.record, 3 FROM v JOIN h ON v.mother_born_day = h.mother_born_day AND v.child_name = h.child_name
)
SELECT village, hospital, min(how) AS how FROM linked GROUP BY village, hospital
