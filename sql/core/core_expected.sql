-- One row per schedule set and quantity on its lines: what the chosen reading expects to be billed for it.
-- `error` says why it expects nothing; `is_contested` that rivals of an undecided reading expect something else. `open_outcomes` is then
-- what the readings left open expect, the chosen one among them, `expected_least` and `expected_most` their smallest and largest amounts.
-- `is_past_unknown`: the price may depend on a tier that no witness gives (core_unknown_tiers).
WITH outcomes AS (
    SELECT
        cases.set_no,
        cases.actual,
        cases.case_id,
        cases.role,
        CASE WHEN cases.billed_in = 'blocks' THEN rated.blocks_billed ELSE rated.quantity_billed END::DECIMAL(28, 10) AS quantity,
        round(rated.amount, 10)::DECIMAL(28, 10) AS amount, -- a cast alone divides twice
        rated.amount_exact,
        rated.tier,
        rated.error
    FROM core_rating_cases AS cases
    INNER JOIN core_rated AS rated USING (case_id)
),
rivals AS (
    SELECT
        set_no,
        actual,
        list(DISTINCT struct_pack(quantity := quantity, amount := amount)) AS open_outcomes,
        min(amount) AS least,
        max(amount) AS most,
        bool_or(amount IS NULL) AS is_refused
    FROM outcomes
    WHERE role = 'rival'
    GROUP BY set_no, actual
)
SELECT
    outcomes.set_no,
    outcomes.actual,
    outcomes.case_id,
    CASE WHEN outcomes.error IS NULL THEN outcomes.quantity END AS expected_quantity_billed,
    outcomes.amount_exact,
    outcomes.amount AS expected_amount,
    CASE WHEN outcomes.tier > 0 THEN outcomes.tier ELSE 1 END AS expected_tier,
    outcomes.error,
    rivals.set_no IS NOT NULL
    AND coalesce(
        rivals.is_refused IS DISTINCT FROM (outcomes.amount IS NULL) OR rivals.least <> outcomes.amount OR rivals.most <> outcomes.amount,
        false
    ) AS is_contested,
    rivals.open_outcomes,
    CASE WHEN rivals.set_no IS NOT NULL THEN least(rivals.least, outcomes.amount) END AS expected_least,
    CASE WHEN rivals.set_no IS NOT NULL THEN greatest(rivals.most, outcomes.amount) END AS expected_most,
    coalesce(outcomes.actual > unknown.from_quantity, false) AS is_past_unknown
FROM outcomes
LEFT JOIN core_unknown_tiers AS unknown ON unknown.set_no = outcomes.set_no
LEFT JOIN rivals ON rivals.set_no = outcomes.set_no AND rivals.actual = outcomes.actual
WHERE outcomes.role = 'chosen'
