-- What the births of each source cover: from the first day that it reported, or on which something happened if that
-- is later, to the last. What happened before its first report came late, if at all.
SELECT source, greatest(min(occurred_day), min(reported_day)) AS first_day, max(occurred_day) AS last_day
FROM births GROUP BY source
