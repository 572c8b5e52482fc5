-- One row per case of core_comparison_cases: what the model bills.
-- kept as: view
-- with: core_rating_cases = core_comparison_cases, core_rating_readings = core_comparison_readings
SELECT
    case_id.set_no,
    case_id.actual,
    case_id.model,
    try_cast(round(amount, 10) AS DECIMAL(28, 10)) AS amount
FROM core_rated
