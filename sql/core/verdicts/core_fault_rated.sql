-- One row per case of core_fault_cases: quantity and amount without the rule, or by the other model.
-- with: core_rating_cases = core_fault_cases
SELECT
    cases.set_no,
    cases.actual,
    cases.left_out,
    rated.amount,
    CASE WHEN cases.billed_in = 'blocks' THEN rated.blocks_billed ELSE rated.quantity_billed END AS quantity_billed
FROM core_rating_cases AS cases
INNER JOIN core_rated AS rated USING (case_id)
WHERE rated.error IS NULL
