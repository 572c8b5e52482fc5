-- One row per case_id of core_rating_cases whose ladder has tiers: the quantity to rate, or the error.
-- kept as: view
-- The order of operations, decided from the words of `quote --batch`:
--   1. allowance before_blocks: quantity less allowance, not below 0;
--   2. block_scope quantity: the whole quantity to a multiple of the first tier's block; a block of 0 or null
--      rounds nothing;
--   3. allowance after_blocks: the result less the allowance, not below 0. With block_scope tier the blocks are counted
--      inside the slices, so the allowance is taken off there, after the blocks, from the first slice up
--      (core_rating_slices);
--   4. allowance free_tier: nothing is subtracted; a free tier of the allowance's size precedes the first, and every bound
--      moves up by it. `ladder_quantity`, the rated quantity less that size, is compared with the tiers' own bounds.
-- Errors, never numbers: malformed tiers, a negative quantity or allowance, a quantity past a bounded last tier (also
-- under `unit`), digits that do not fit.
WITH netted AS (
    SELECT
        cases.case_id,
        cases.ladder_id,
        rules.rule_no,
        rules.kind,
        rules.is_whole,
        rules.is_inclusive,
        rules.is_allowance_last,
        rules.is_allowance_in_slices,
        rules.zero_pays_flat,
        ladders.highest_bound,
        ladders.is_open,
        CASE WHEN rules.quantity_blocks <> 'none' THEN ladders.first_block END AS counted_block,
        lift_to_block(ladders.first_block, ladders.half_first_block, rules.quantity_blocks) AS lift,
        coalesce(cases.allowance, 0)::DECIMAL(28, 10) AS allowance,
        CASE WHEN rules.has_free_tier THEN coalesce(cases.allowance, 0) ELSE 0 END::DECIMAL(28, 10) AS free_quantity,
        CASE
            WHEN rules.is_allowance_first THEN less_allowance(cases.quantity, coalesce(cases.allowance, 0))
            ELSE cases.quantity
        END AS net_quantity,
        CASE
            WHEN rules.reading_id IS NULL
                THEN 'unknown_reading: there is no reading ' || coalesce(cases.reading_id, 'without a name')
            WHEN rules.unknown_value IS NOT NULL
                THEN 'unknown_reading: the reading has an unknown ' || rules.unknown_value
            WHEN ladders.fault IS NOT NULL THEN ladders.fault
            WHEN cases.quantity IS NULL THEN 'no_quantity: there is no quantity to rate'
            WHEN cases.quantity < 0 THEN 'negative_quantity: the quantity is ' || plain_text(cases.quantity)
            WHEN cases.allowance < 0 THEN 'negative_allowance: the allowance is ' || plain_text(cases.allowance)
        END AS input_error
    FROM core_rating_cases AS cases
    INNER JOIN core_rating_ladders AS ladders ON ladders.ladder_id = cases.ladder_id
    LEFT JOIN core_rating_rules AS rules ON rules.reading_id = cases.reading_id
),

rated AS (
    SELECT
        *,
        CASE
            WHEN input_error IS NOT NULL THEN NULL
            WHEN is_allowance_last THEN less_allowance(units_counted(net_quantity, counted_block, lift), allowance)
            ELSE units_counted(net_quantity, counted_block, lift)
        END::DECIMAL(28, 10) AS rated_quantity
    FROM netted
),

placed AS (
    SELECT
        *,
        (rated_quantity - free_quantity)::DECIMAL(28, 10) AS ladder_quantity,
        CASE
            WHEN input_error IS NOT NULL THEN input_error
            WHEN rated_quantity IS NULL THEN 'too_large: the quantity in whole blocks has more than 18 whole digits'
            WHEN NOT is_open AND (
                rated_quantity - free_quantity > highest_bound
                OR (NOT is_inclusive AND rated_quantity - free_quantity = highest_bound)
            )
                THEN 'past_last_tier: the quantity ' || plain_text(rated_quantity)
                    || ' is past the last tier, which ends '
                    || CASE WHEN is_inclusive THEN 'at ' ELSE 'before ' END || plain_text(highest_bound + free_quantity)
        END AS error
    FROM rated
)

SELECT
    case_id,
    ladder_id,
    rule_no,
    CASE WHEN error IS NULL THEN kind ELSE 0 END AS kind,
    is_whole,
    is_inclusive,
    is_allowance_in_slices,
    zero_pays_flat AND free_quantity = 0 AS zero_pays_flat, -- otherwise the first tier is the free one, with a flat of 0
    allowance,
    free_quantity,
    rated_quantity,
    ladder_quantity,
    CASE
        WHEN error IS NOT NULL THEN 'error'
        WHEN rated_quantity = 0 THEN 'zero'
        WHEN free_quantity > 0 AND (ladder_quantity < 0 OR (is_inclusive AND ladder_quantity = 0)) THEN 'free'
        ELSE 'priced'
    END AS standing,
    error
FROM placed
