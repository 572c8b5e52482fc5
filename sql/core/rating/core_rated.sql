-- One row per case_id of core_rating_cases: what the quantity costs, exactly and rounded, or why it has no price.
-- kept as: view
-- The tiers before the one that holds the quantity are full, so their sum belongs to the ladder (core_rating_steps), and a
-- case needs only its last slice. If a number does not fit into 10 decimals, or the allowance is taken off the slices, all
-- slices are rated and added up (core_rating_slices).
-- `amount_exact` is the sum of the slices; `amount` is that sum rounded once, by the reading's rounding, or the sum of slices
-- rounded one by one (is_of_slices). For these `slices` has their amounts, null where there is only one; 'none_slices' keeps
-- them and rounds nothing. An exact amount without a last decimal (a third of a block) is rounded from its exact value, not from
-- its 20 decimals; `amount_exact` is cut after 20, and without a rounding `amount` has 20, half up. `quantity_billed` is
-- in units and `blocks_billed` in blocks, after allowance and blocks, without the part in a free tier. `tier` is the one
-- that holds the quantity: 0 the free tier, null for quantity 0.
WITH reached AS (
    SELECT
        quantities.case_id,
        quantities.rule_no,
        quantities.standing,
        quantities.zero_pays_flat,
        quantities.error,
        steps.tier,
        steps.flat,
        steps.unit_price,
        steps.blocks_per_unit,
        steps.block,
        steps.units_before,
        steps.blocks_before,
        steps.amount_before,
        steps.slices_before,
        steps.tier_block,
        steps.lift,
        slice_of_tier(
            quantities.standing, quantities.is_whole, quantities.rated_quantity, quantities.ladder_quantity,
            steps.slice_start, steps.upper_bound
        ) AS quantity
    FROM core_rating_quantities AS quantities
    INNER JOIN core_rating_steps AS steps
        ON steps.ladder_id = quantities.ladder_id
        AND steps.kind = quantities.kind
        AND CASE
            WHEN quantities.standing <> 'priced' THEN steps.tier = 1
            ELSE NOT (quantities.is_allowance_in_slices OR steps.is_summed)
                AND is_tier_reached(quantities.ladder_quantity, steps.lower_bound, quantities.is_inclusive)
                AND is_tier_kept(quantities.ladder_quantity, steps.upper_bound, quantities.is_inclusive)
        END
),

last_slices AS (
    SELECT *, units_counted(quantity, tier_block, lift) AS units
    FROM reached
),

slice_sums AS (
    -- A sum may run past 38 digits where no part of it does: large parts are summed apart, wholes and fractions.
    SELECT
        slices.case_id,
        any_value(slices.rule_no) AS rule_no,
        max(slices.tier) AS tier,
        sum(slices.billed_quantity) AS units,
        sum(slices.blocks) AS blocks,
        sum(CASE WHEN abs(slices.amount) < 1000000000000 THEN slices.amount END) AS small_amounts,
        sum(CASE WHEN abs(slices.amount) >= 1000000000000 THEN trunc(slices.amount) END) AS wholes,
        sum(CASE WHEN abs(slices.amount) >= 1000000000000 THEN slices.amount % 1 END) AS fractions,
        list(slices.amount ORDER BY slices.slice) AS amounts,
        sum(slices.remainder) AS tail,
        any_value(slices.common_block) AS common_block,
        bool_or(
            slices.billed_quantity IS NULL OR slices.blocks IS NULL OR slices.amount IS NULL OR slices.remainder IS NULL
        ) AS is_too_large
    FROM core_rating_slices AS slices
    WHERE slices.is_to_sum AND slices.tier > 0
    GROUP BY slices.case_id
),

totals AS (
    -- exact amount = cut_amount + tail / common_block of the 20th decimal
    SELECT
        case_id,
        rule_no,
        error,
        CASE standing WHEN 'priced' THEN tier WHEN 'free' THEN 0 END AS tier,
        CASE WHEN standing = 'priced' THEN try_cast(units_before + units AS DECIMAL(28, 10)) ELSE 0 END AS units,
        CASE
            WHEN standing = 'priced' THEN try_cast(blocks_before + blocks_of_units(units, blocks_per_unit, block) AS DECIMAL(28, 10))
            ELSE 0
        END AS blocks,
        CASE
            WHEN standing = 'priced' THEN try((amount_before + units * unit_price + flat)::DECIMAL(38, 20))
            WHEN standing = 'zero' AND zero_pays_flat THEN flat
            ELSE 0
        END::DECIMAL(38, 20) AS cut_amount,
        slices_before AS slices,
        -- the last slice alone, where it is to be rounded by itself
        try((units * unit_price + flat)::DECIMAL(38, 20)) AS last_amount,
        0::HUGEINT AS tail,
        1::HUGEINT AS common_block
    FROM last_slices
    UNION ALL
    SELECT
        case_id,
        rule_no,
        NULL,
        tier,
        try_cast(units AS DECIMAL(28, 10)),
        try_cast(blocks AS DECIMAL(28, 10)),
        CASE
            WHEN NOT is_too_large
                THEN try((
                    coalesce(small_amounts, 0) + coalesce(fractions, 0) + coalesce(wholes, 0)::DECIMAL(38, 20)
                )::DECIMAL(38, 20))
        END,
        amounts,
        NULL,
        tail,
        common_block
    FROM slice_sums
),

carried AS (
    SELECT
        totals.* EXCLUDE (rule_no, cut_amount, tail, slices, last_amount),
        CASE
            WHEN rules.is_sliced AND is_of_slices(rules.rounding) AND tier IS NOT NULL AND len(slices) > 0
                THEN CASE WHEN last_amount IS NULL THEN slices ELSE list_append(slices, last_amount) END
        END AS slices,
        rules.rounding,
        rules.rounding_unit,
        rules.rounding_half,
        CASE
            WHEN tail = 0 THEN cut_amount
            ELSE try(cut_amount + whole_last_decimals(tail, common_block))
        END AS cut_amount,
        CASE WHEN tail = 0 THEN tail ELSE tail % common_block END AS tail
    FROM totals
    LEFT JOIN core_rating_rules AS rules ON rules.rule_no = totals.rule_no
),

aligned AS (
    -- cut toward zero, so that the tail has the amount's own sign
    SELECT
        * EXCLUDE (cut_amount, tail),
        CASE
            WHEN tail > 0 AND cut_amount < 0 THEN cut_amount + 0.00000000000000000001::DECIMAL(20, 20)
            WHEN tail < 0 AND cut_amount > 0 THEN cut_amount - 0.00000000000000000001::DECIMAL(20, 20)
            ELSE cut_amount
        END AS amount_exact,
        CASE
            WHEN tail > 0 AND cut_amount < 0 THEN tail - common_block
            WHEN tail < 0 AND cut_amount > 0 THEN tail + common_block
            ELSE tail
        END AS tail
    FROM carried
),

rounded AS (
    SELECT
        case_id,
        error AS input_error,
        tier,
        units,
        blocks,
        amount_exact,
        slices,
        CASE WHEN (slices IS NULL OR rounding = 'none_slices') AND (amount_exact < 0 OR tail < 0) THEN -1 ELSE 1 END
        * CASE
            WHEN amount_exact IS NULL OR tail IS NULL THEN NULL
            WHEN slices IS NOT NULL AND rounding <> 'none_slices' THEN try(rounded_amount(amount_exact, slices, rounding, rounding_unit, rounding_half))
            WHEN rounding NOT IN ('none', 'none_slices')
                THEN try(rounded_to_unit(abs(amount_exact), tail <> 0, rounding_unit, rounding_half, rounding))
            WHEN tail <> 0 AND abs(tail) >= common_block - abs(tail)
                THEN try(abs(amount_exact) + 0.00000000000000000001::DECIMAL(20, 20))
            ELSE abs(amount_exact)
        END::DECIMAL(38, 20) AS amount
    FROM aligned
),

judged AS (
    SELECT
        *,
        CASE
            WHEN input_error IS NOT NULL THEN input_error
            WHEN amount IS NULL OR units IS NULL OR blocks IS NULL
                THEN 'too_large: an amount has more than 18 whole digits'
        END AS error
    FROM rounded
)

SELECT
    case_id,
    CASE WHEN error IS NULL THEN amount_exact END AS amount_exact,
    CASE WHEN error IS NULL THEN amount END AS amount,
    CASE WHEN error IS NULL THEN units END AS quantity_billed,
    error,
    CASE WHEN error IS NULL THEN blocks END AS blocks_billed,
    CASE WHEN error IS NULL THEN tier END AS tier,
    CASE WHEN error IS NULL THEN slices END AS slices
FROM judged
UNION ALL
SELECT
    case_id,
    NULL,
    NULL,
    NULL,
    'no_tiers: there is no tier to rate by',
    NULL,
    NULL,
    NULL
FROM core_rating_cases
WHERE ladder_id IS NULL OR ladder_id NOT IN (SELECT ladder_id FROM core_rating_ladders)
