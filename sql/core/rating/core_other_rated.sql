-- One row per case of core_other_cases: the quantity and the amount that its interpretation bills.
-- with: core_rating_cases = core_other_cases
SELECT
    case_id.set_no,
    case_id.actual,
    case_id.role,
    case_id.rated_set_no,
    CASE WHEN case_id.billed_in = 'blocks' THEN blocks_billed ELSE quantity_billed END::DECIMAL(28, 10) AS quantity,
    amount_exact,
    tier,
    try_cast(round(amount, 10) AS DECIMAL(28, 10)) AS amount -- a cast alone divides twice
FROM core_rated
