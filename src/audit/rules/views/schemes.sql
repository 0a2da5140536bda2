-- The reward schemes: age from which, first day of the scheme (null: always), rate of a year in fen, and the day by
-- which it is paid, counted from the period's last day: 31 August lies 122 days before 31 December in every year.
SELECT 'family_support' AS scheme, 60 AS from_age, CAST(NULL AS BIGINT) AS first_day, 96000 AS rate_fen, 122 AS due_before_end
