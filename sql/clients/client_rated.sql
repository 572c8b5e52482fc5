-- One row per case of client_cases: its price by your own ladder, or why it has none.
-- kept as: scratch
-- with: core_rating_cases = client_cases, core_rating_tiers = client_tiers, core_rating_readings = client_readings
SELECT
    cases.ladder_id,
    cases.reading_id,
    cases.quantity,
    rated.amount,
    rated.tier,
    rated.error
FROM core_rating_cases AS cases
INNER JOIN core_rated AS rated USING (case_id)
