-- One row per case of core_comparison_cases: what the model bills.
-- kept as: view
-- with: core_rating_cases = core_comparison_cases, core_rating_readings = core_comparison_readings
-- per: cell, local
SELECT
    cases.line_case_id,
    cases.model,
    round(rated.amount, 10)::DECIMAL(28, 10) AS amount
FROM core_rating_cases AS cases
INNER JOIN core_rated AS rated USING (case_id)
