-- One row per line of quote_records with a valid reading (quote_readings), in the form of core_rating_cases.
-- kept as: view
SELECT
    records.line_no AS case_id,
    ladders.ladder_id,
    readings.reading_id,
    records.quantity,
    records.allowance,
    records.id
FROM quote_records AS records
INNER JOIN quote_ladders AS ladders ON ladders.tiers = records.tiers
INNER JOIN quote_readings AS readings ON readings.reading = records.reading
