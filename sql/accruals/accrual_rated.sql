-- One row per case of accrual_cases that has a price: what it costs.
-- kept as: scratch
-- with: core_rating_cases = accrual_cases
SELECT
    cases.set_no,
    cases.actual,
    try_cast(round(rated.amount, 10) AS DECIMAL(28, 10)) AS amount
FROM core_rating_cases AS cases
INNER JOIN core_rated AS rated USING (case_id)
WHERE rated.error IS NULL
