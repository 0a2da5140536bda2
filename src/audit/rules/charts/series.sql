-- The months of a series, as the rule pooled them.
WITH
-- include: series
SELECT concat(CAST(month / 12 AS VARCHAR), '-', lpad(CAST(month % 12 + 1 AS VARCHAR), 2, '0')) AS at, value
FROM listed WHERE office = {office} AND indicator = {indicator} AND series = {series} ORDER BY month
