-- One row per case of core_fault_cases: the quantity and the amount that leaving the rule out, or the other model, would have billed.
-- with: core_rating_cases = core_fault_cases
-- per: cell, local
SELECT
    cases.set_no,
    cases.actual,
    cases.left_out,
    rated.amount,
    CASE WHEN cases.billed_in = 'blocks' THEN rated.blocks_billed ELSE rated.quantity_billed END AS quantity_billed
FROM core_rating_cases AS cases
INNER JOIN core_rated AS rated USING (case_id)
WHERE rated.error IS NULL
