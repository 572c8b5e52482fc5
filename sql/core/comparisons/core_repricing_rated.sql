-- One row per former schedule set and quantity of core_repriced_lines: what it would have cost by the former schedules.
-- with: core_rating_cases = core_repricing_cases
-- per: group, local
SELECT
    cases.set_no,
    cases.actual,
    rated.amount
FROM core_rating_cases AS cases
INNER JOIN core_rated AS rated USING (case_id)
WHERE rated.error IS NULL
