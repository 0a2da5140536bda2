-- The reward schemes: age from which, rate of a year in fen, days from the period's start to the day by which it is paid.
SELECT 'family_support' AS scheme, 60 AS from_age, 96000 AS rate_fen, 242 AS due_after_days
