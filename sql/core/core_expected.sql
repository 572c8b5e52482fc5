-- One row per schedule set and quantity on its lines: what the chosen reading expects to be billed for it.
-- `error` says why it expects nothing; `is_contested` that rivals of an undecided reading expect something else.
WITH rated AS (
    SELECT
        cases.set_no,
        cases.actual,
        cases.case_id,
        cases.role,
        cases.is_chosen,
        rated.amount_exact,
        rated.amount,
        rated.error,
        CASE WHEN cases.billed_in = 'blocks' THEN rated.blocks_billed ELSE rated.quantity_billed END AS quantity_billed,
        CASE WHEN rated.tier > 0 THEN rated.tier ELSE 1 END AS tier
    FROM core_rating_cases AS cases
    INNER JOIN core_rated AS rated USING (case_id)
)
SELECT
    chosen.set_no,
    chosen.actual,
    chosen.case_id,
    CASE WHEN chosen.error IS NULL THEN chosen.quantity_billed END::DECIMAL(28, 10) AS expected_quantity_billed,
    chosen.amount_exact,
    chosen.amount::DECIMAL(28, 10) AS expected_amount,
    chosen.tier AS expected_tier,
    chosen.error,
    EXISTS (
        FROM rated AS rival
        WHERE rival.set_no = chosen.set_no
            AND rival.actual = chosen.actual
            AND rival.role = 'rival'
            AND rival.amount IS DISTINCT FROM chosen.amount
    ) AS is_contested
FROM rated AS chosen
WHERE chosen.is_chosen
