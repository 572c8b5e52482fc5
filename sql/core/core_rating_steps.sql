-- One row per ladder_id, kind of pricing and tier: all that is the same for every quantity that reaches the tier.
-- Only the kinds that some case asks of a ladder are here. Kind 0, tier 1 takes in the cases that are not priced.
--   slice_start    where the slice begins: the tier's lower bound, or 0 where one tier prices the whole quantity
--   tier_block     the block in which the slice is counted, null where blocks are not counted per tier
--   unit_price     what one unit costs, null where 10 decimals do not hold it (then `rate` a `price_block`)
--   ..._before     what the tiers before add, each full: units billed, blocks, amount with flats, and
--                  `remainder_before`, what 20 decimals could not hold of it, in parts of the 20th over `common_block`
-- Which tiers a kind has: `unit` the first alone, open; the others all.
WITH asked AS (
    SELECT DISTINCT cases.ladder_id, rules.kind
    FROM core_rating_cases AS cases
    INNER JOIN core_rating_rules AS rules USING (reading_id)
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
        kinds.tier_blocks,
        ladders.common_block,
        bounds.lower_bound,
        CASE WHEN kinds.is_sliced OR kinds.is_whole THEN bounds.upper_bound END AS upper_bound,
        bounds.block,
        bounds.inverse,
        bounds.flat,
        CASE WHEN kinds.tier_blocks <> 'none' THEN bounds.block END AS tier_block,
        CASE WHEN kinds.has_rate THEN bounds.rate ELSE 0 END::DECIMAL(28, 10) AS rate,
        CASE
            WHEN kinds.is_per_block AND bounds.block IS NOT NULL THEN bounds.block
            ELSE 1
        END::DECIMAL(28, 10) AS price_block,
        CASE WHEN kinds.is_sliced THEN bounds.upper_bound - bounds.lower_bound END::DECIMAL(28, 10) AS width
    FROM asked
    INNER JOIN kinds ON kinds.kind = asked.kind
    INNER JOIN core_rating_ladders AS ladders ON ladders.ladder_id = asked.ladder_id AND ladders.fault IS NULL
    INNER JOIN core_rating_bounds AS bounds
        ON bounds.ladder_id = asked.ladder_id AND (kinds.is_sliced OR kinds.is_whole OR bounds.tier = 1)
),

filled AS (
    SELECT
        *,
        exact_unit_rate(rate, price_block, inverse) AS unit_price,
        CASE WHEN block IS NULL THEN 1 WHEN inverse * block = 1 THEN inverse END::DECIMAL(28, 10) AS blocks_per_unit,
        units_counted(coalesce(width, 0), tier_block, tier_blocks) AS full_units
    FROM priced
),

valued AS (
    SELECT
        *,
        blocks_of_units(full_units, blocks_per_unit, block) AS full_blocks,
        product_of_units(full_units, unit_price, price_block, rate) AS full_product,
        remainder_of_units(full_units, unit_price, price_block, rate, common_block) AS full_remainder
    FROM filled
),

summed AS (
    -- A sum may run past 38 digits where no part of it does: large parts are summed apart, wholes and fractions.
    SELECT
        *,
        coalesce(sum(full_units) OVER before, 0) AS units_before,
        coalesce(sum(full_blocks) OVER before, 0) AS blocks_before,
        coalesce(sum(CASE WHEN is_sliced THEN flat END) OVER before, 0) AS flat_before,
        coalesce(sum(CASE WHEN abs(full_product) < 1000000000000 THEN full_product END) OVER before, 0) AS small_products,
        coalesce(sum(CASE WHEN abs(full_product) >= 1000000000000 THEN trunc(full_product) END) OVER before, 0) AS wholes,
        coalesce(sum(CASE WHEN abs(full_product) >= 1000000000000 THEN full_product % 1 END) OVER before, 0) AS fractions,
        coalesce(sum(full_remainder) OVER before, 0) AS remainder_before,
        count(*) FILTER (
            WHERE full_units IS NULL OR full_blocks IS NULL OR full_product IS NULL OR full_remainder IS NULL
        ) OVER before AS too_large_before
    FROM valued
    WINDOW before AS (PARTITION BY ladder_id, kind ORDER BY tier ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)

SELECT
    ladder_id,
    kind,
    tier,
    lower_bound,
    upper_bound,
    CASE WHEN is_sliced THEN lower_bound ELSE 0 END::DECIMAL(28, 10) AS slice_start,
    tier_blocks,
    tier_block,
    block,
    rate,
    price_block,
    unit_price,
    blocks_per_unit,
    flat,
    common_block,
    try_cast(units_before AS DECIMAL(28, 10)) AS units_before,
    try_cast(blocks_before AS DECIMAL(28, 10)) AS blocks_before,
    CASE
        WHEN too_large_before = 0
            THEN try((small_products + fractions + flat_before + wholes::DECIMAL(38, 20))::DECIMAL(38, 20))
    END AS amount_before,
    remainder_before
FROM summed
UNION ALL
SELECT ladder_id, 0, 1, 0, NULL, 0, 'none', NULL, NULL, 0, 1, 0, 1, 0, 1, 0, 0, 0, 0
FROM core_rating_ladders
