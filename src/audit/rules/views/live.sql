-- A ledger is live where reports are entered as they come: nine in ten of the events that it was told of by villages,
-- hospitals and payers were entered within 31 days of their report, from its first entry on.
WITH events AS (
    SELECT reported_day, recorded_day FROM births
    UNION ALL SELECT reported_day, recorded_day FROM registrations WHERE kind NOT IN ('household', 'resident')
    UNION ALL SELECT reported_day, recorded_day FROM pregnancy_losses
    UNION ALL SELECT reported_day, recorded_day FROM disbursements
    UNION ALL SELECT reported_day, recorded_day FROM activities
)
SELECT min(recorded_day) AS begun,
       avg(CASE WHEN recorded_day - reported_day <= 31 THEN 1.0 ELSE 0.0 END) >= 0.9 AS is_live
FROM events
