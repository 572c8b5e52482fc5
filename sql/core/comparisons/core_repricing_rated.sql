-- One row per previous rate ladder and quantity of core_repriced_lines: its cost at the previous ladder.
-- with: core_rating_cases = core_repricing_cases
SELECT
    cases.set_no,
    cases.actual,
    rated.amount
FROM core_rating_cases AS cases
INNER JOIN core_rated AS rated USING (case_id)
WHERE rated.error IS NULL
