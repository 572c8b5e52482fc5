-- One row per rate ladder and quantity on its lines: the quantity and amount that the chosen interpretation gives.
-- `error` is the reason for a null amount. `is_past_unknown`: the price may depend on a tier that no source gives (core_unknown_tiers);
-- `is_beside_unknown`: and only one tier is known, so that no line shows how it depends.
SELECT
    used.set_no,
    rated.case_id.actual,
    CASE WHEN used.billed_in = 'blocks' THEN rated.blocks_billed ELSE rated.quantity_billed END::DECIMAL(28, 10) AS expected_quantity_billed,
    rated.amount_exact,
    try_cast(round(rated.amount, 10) AS DECIMAL(28, 10)) AS expected_amount, -- a cast alone divides twice
    greatest(coalesce(rated.tier, 1), 1) AS expected_tier,
    rated.error,
    coalesce(rated.case_id.actual > unknown.from_quantity, false) AS is_past_unknown,
    is_past_unknown AND unknown.is_lone AS is_beside_unknown
FROM core_rated AS rated
INNER JOIN core_used_readings AS used ON used.set_no = rated.case_id.set_no AND used.role = 'chosen'
LEFT JOIN core_unknown_tiers AS unknown ON unknown.set_no = rated.case_id.set_no
