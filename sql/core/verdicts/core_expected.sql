-- One row per rate ladder and quantity on its lines: the quantity and amount that the chosen interpretation gives.
-- `error` is the reason for a null amount. `is_contested`: tied candidates of an undecided interpretation give other amounts. Then
-- `open_outcomes` has the outcomes of all tied candidates including the chosen one, and `expected_least` and `expected_most` their
-- smallest and largest amounts. `roundings`: those that
-- are open (core_open_roundings). `is_past_unknown`: the price may depend on a tier that no source gives (core_unknown_tiers).
WITH tied AS (
    SELECT
        set_no,
        actual,
        list(DISTINCT struct_pack(quantity := quantity, amount := amount, amount_exact := amount_exact, tier := tier)) AS open_outcomes,
        min(amount) AS least,
        max(amount) AS most,
        bool_or(amount IS NULL) AS is_refused
    FROM core_other_rated
    WHERE role = 'tied'
    GROUP BY set_no, actual
),
expected AS (
    SELECT
        used.set_no,
        rated.case_id.actual,
        CASE WHEN used.billed_in = 'blocks' THEN rated.blocks_billed ELSE rated.quantity_billed END::DECIMAL(28, 10) AS quantity,
        rated.amount_exact,
        try_cast(round(rated.amount, 10) AS DECIMAL(28, 10)) AS amount, -- a cast alone divides twice
        rated.tier,
        rated.error
    FROM core_rated AS rated
    INNER JOIN core_used_readings AS used ON used.set_no = rated.case_id.set_no AND used.role = 'chosen'
)
SELECT
    expected.set_no,
    expected.actual,
    expected.quantity AS expected_quantity_billed,
    expected.amount_exact,
    expected.amount AS expected_amount,
    CASE WHEN expected.tier > 0 THEN expected.tier ELSE 1 END AS expected_tier,
    expected.error,
    tied.set_no IS NOT NULL
    AND coalesce(
        tied.is_refused IS DISTINCT FROM (expected.amount IS NULL) OR tied.least <> expected.amount OR tied.most <> expected.amount,
        false
    ) AS is_contested,
    tied.open_outcomes,
    CASE WHEN tied.set_no IS NOT NULL THEN least(tied.least, expected.amount) END AS expected_least,
    CASE WHEN tied.set_no IS NOT NULL THEN greatest(tied.most, expected.amount) END AS expected_most,
    coalesce(expected.actual > unknown.from_quantity, false) AS is_past_unknown,
    rounding.roundings
FROM expected
LEFT JOIN core_open_roundings AS rounding ON rounding.set_no = expected.set_no
LEFT JOIN core_unknown_tiers AS unknown ON unknown.set_no = expected.set_no
LEFT JOIN tied ON tied.set_no = expected.set_no AND tied.actual = expected.actual
