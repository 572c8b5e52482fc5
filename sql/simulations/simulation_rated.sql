-- One row per case of simulation_cases: what it costs, or why it has no price.
-- kept as: scratch
-- with: core_rating_cases = simulation_cases, core_rating_tiers = simulation_rating_tiers, core_rating_readings = simulation_rating_readings
SELECT
    cases.set_no,
    cases.volume,
    cases.asked_quantity AS quantity,
    cases.reading_no,
    cases.is_chosen,
    try_cast(round(rated.amount, 10) AS DECIMAL(28, 10)) AS amount,
    rated.tier,
    rated.error
FROM core_rating_cases AS cases
INNER JOIN core_rated AS rated USING (case_id)
