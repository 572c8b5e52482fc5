-- One row per ladder_id, kind of pricing and tier: all that is the same for every quantity that reaches the tier.
-- Only kinds that some case of the ladder needs are here. Kind 0, tier 1 is for the cases that are not priced.
--   slice_start    start of the slice: the tier's lower bound, or 0 if one tier prices the whole quantity
--   tier_block     block in which the slice is counted, null if blocks are not counted per tier
--   lift           how its count is rounded: lift_to_block
--   unit_price     price of one unit, null if 10 decimals do not hold it (then it is `rate` per `price_block`)
--   ..._before     sums of the tiers before, each full: units billed, blocks, amount with flats
--   slices_before  amounts of the tiers before, each full, where some case rounds its slices one by one
--   is_summed      true: these sums cannot be used, because a number does not fit into 10 decimals or is too large; the
--                  slices are rated one by one
-- The kind `unit` has only the first tier, open; the others have all.
WITH asked AS (
    SELECT cases.ladder_id, rules.kind, bool_or(is_of_slices(rules.rounding)) AS keeps_slices
    FROM core_rating_cases AS cases
    INNER JOIN core_rating_rules AS rules USING (reading_id)
    GROUP BY cases.ladder_id, rules.kind
),

kinds AS (
    SELECT DISTINCT kind, is_sliced, is_whole, has_rate, is_per_block, tier_blocks
    FROM core_rating_rules
    WHERE kind > 0
),

priced AS (
    SELECT
        asked.ladder_id,
        asked.kind,
        bounds.tier,
        kinds.is_sliced,
        kinds.is_sliced AND asked.keeps_slices AS keeps_slices,
        ladders.common_block,
        bounds.lower_bound,
        CASE WHEN kinds.is_sliced OR kinds.is_whole THEN bounds.upper_bound END AS upper_bound,
        bounds.block,
        bounds.flat,
        CASE WHEN kinds.tier_blocks <> 'none' THEN bounds.block END AS tier_block,
        lift_to_block(bounds.block, bounds.half_block, kinds.tier_blocks) AS lift,
        CASE WHEN kinds.has_rate THEN bounds.rate ELSE 0 END::DECIMAL(28, 10) AS rate,
        CASE
            WHEN kinds.is_per_block AND bounds.block IS NOT NULL THEN bounds.block
            ELSE 1
        END::DECIMAL(28, 10) AS price_block,
        CASE
            WHEN NOT kinds.has_rate THEN 0
            WHEN kinds.is_per_block AND bounds.block IS NOT NULL
                THEN exact_unit_rate(bounds.rate, bounds.block, bounds.inverse)
            ELSE bounds.rate
        END::DECIMAL(28, 10) AS unit_price,
        CASE
            WHEN bounds.block IS NULL THEN 1
            WHEN bounds.inverse * bounds.block = 1 THEN bounds.inverse
        END::DECIMAL(28, 10) AS blocks_per_unit,
        CASE
            WHEN kinds.is_sliced THEN coalesce(bounds.upper_bound - bounds.lower_bound, 0)
            ELSE 0
        END::DECIMAL(28, 10) AS width
    FROM asked
    INNER JOIN kinds ON kinds.kind = asked.kind
    INNER JOIN core_rating_ladders AS ladders ON ladders.ladder_id = asked.ladder_id AND ladders.fault IS NULL
    INNER JOIN core_rating_bounds AS bounds
        ON bounds.ladder_id = asked.ladder_id AND (kinds.is_sliced OR kinds.is_whole OR bounds.tier = 1)
),

counted AS (
    SELECT *, units_counted(width, tier_block, lift) AS full_units
    FROM priced
),

valued AS (
    SELECT
        *,
        try((full_units * blocks_per_unit)::DECIMAL(28, 10)) AS full_blocks,
        try((full_units * unit_price)::DECIMAL(38, 20)) AS full_product
    FROM counted
),

summed AS (
    -- A sum may run past 38 digits where no part of it does: large parts make the ladder one whose slices are summed.
    SELECT
        *,
        coalesce(sum(full_units) OVER before, 0) AS units_before,
        coalesce(sum(full_blocks) OVER before, 0) AS blocks_before,
        coalesce(sum(
            CASE WHEN abs(full_product) < 1000000000000 THEN full_product END
        ) OVER before, 0) AS product_before,
        coalesce(sum(CASE WHEN is_sliced THEN flat END) OVER before, 0) AS flat_before,
        coalesce(bool_or(
            unit_price IS NULL OR full_blocks IS NULL OR full_product IS NULL OR abs(full_product) >= 1000000000000
        ) OVER (PARTITION BY ladder_id, kind), false) AS is_summed
    FROM valued
    WINDOW before AS (PARTITION BY ladder_id, kind ORDER BY tier ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
),

slices AS (
    SELECT later.ladder_id, later.kind, later.tier, list(before.full_product + before.flat ORDER BY before.tier) AS amounts
    FROM valued AS later
    INNER JOIN valued AS before ON before.ladder_id = later.ladder_id AND before.kind = later.kind AND before.tier < later.tier
    WHERE later.keeps_slices
    GROUP BY ALL
)

SELECT
    ladder_id,
    kind,
    tier,
    lower_bound,
    upper_bound,
    CASE WHEN is_sliced THEN lower_bound ELSE 0 END::DECIMAL(28, 10) AS slice_start,
    tier_block,
    lift,
    block,
    rate,
    price_block,
    unit_price,
    blocks_per_unit,
    flat,
    common_block,
    try_cast(units_before AS DECIMAL(28, 10)) AS units_before,
    try_cast(blocks_before AS DECIMAL(28, 10)) AS blocks_before,
    try((product_before + flat_before)::DECIMAL(38, 20)) AS amount_before,
    slices.amounts::DECIMAL(38, 20)[] AS slices_before,
    is_summed
FROM summed
LEFT JOIN slices USING (ladder_id, kind, tier)
UNION ALL
SELECT ladder_id, 0, 1, 0, NULL, 0, NULL, 0, NULL, 0, 1, 0, 1, 0, 1, 0, 0, 0, NULL, false
FROM core_rating_ladders
