-- One row per reading_id: the attributes of core_rating_readings, with defaults, resolved for the rating.
-- A missing attribute takes the first value that `quote --batch` names, rounding 'none'. An unknown value is a fault. kind numbers the
-- ways to price a tier: readings that differ only in bounds, allowance or rounding share one; 0 is a fault. A rounding of slices
-- (is_of_slices), which `quote` does not offer, rounds each slice before they are added.
WITH filled AS (
    SELECT
        reading_id,
        coalesce(model, 'unit') AS model,
        coalesce(upper_bound, 'inclusive') AS upper_bound,
        coalesce(blocks, 'up') AS blocks,
        coalesce(block_scope, 'quantity') AS block_scope,
        coalesce(rate_per, 'block') AS rate_per,
        coalesce(allowance_rule, 'before_blocks') AS allowance_rule,
        coalesce(zero_pays_flat, false) AS zero_pays_flat,
        coalesce(rounding, 'none') AS rounding,
        coalesce(scale, 2) AS scale
    FROM core_rating_readings
),

judged AS (
    SELECT
        *,
        CASE
            WHEN model NOT IN ('unit', 'volume', 'graduated', 'stairstep', 'stacked_flat') THEN 'model ' || model
            WHEN upper_bound NOT IN ('inclusive', 'exclusive') THEN 'upper_bound ' || upper_bound
            WHEN blocks NOT IN ('up', 'down', 'nearest', 'none') THEN 'blocks ' || blocks
            WHEN block_scope NOT IN ('quantity', 'tier') THEN 'block_scope ' || block_scope
            WHEN rate_per NOT IN ('block', 'unit') THEN 'rate_per ' || rate_per
            WHEN allowance_rule NOT IN ('before_blocks', 'after_blocks', 'free_tier')
                THEN 'allowance ' || allowance_rule
            WHEN regexp_replace(rounding, '_(slices|fives)$', '') NOT IN ('half_up', 'half_even', 'up', 'down', 'none') THEN 'rounding ' || rounding
            WHEN scale NOT BETWEEN 0 AND 20 THEN 'scale ' || scale
        END AS unknown_value,
        model NOT IN ('stairstep', 'stacked_flat') AS has_rate,
        CASE WHEN block_scope = 'tier' THEN blocks ELSE 'none' END AS tier_blocks
    FROM filled
)

SELECT
    reading_id,
    (row_number() OVER (ORDER BY reading_id))::INTEGER AS rule_no,
    CASE
        WHEN unknown_value IS NOT NULL THEN 0
        ELSE dense_rank() OVER (ORDER BY unknown_value IS NULL, model, tier_blocks, has_rate AND rate_per = 'block')
    END::INTEGER AS kind,
    unknown_value,
    model IN ('graduated', 'stacked_flat') AS is_sliced,
    model IN ('volume', 'stairstep') AS is_whole,
    has_rate,
    has_rate AND rate_per = 'block' AS is_per_block,
    upper_bound = 'inclusive' AS is_inclusive,
    tier_blocks,
    CASE WHEN block_scope = 'quantity' THEN blocks ELSE 'none' END AS quantity_blocks,
    allowance_rule = 'before_blocks' AS is_allowance_first,
    allowance_rule = 'after_blocks' AND block_scope = 'quantity' AS is_allowance_last,
    allowance_rule = 'after_blocks' AND block_scope = 'tier' AS is_allowance_in_slices,
    allowance_rule = 'free_tier' AS has_free_tier,
    zero_pays_flat,
    -- amounts have 20 decimals anyway: rounding to 20 is what 'none' does
    CASE WHEN scale = 20 AND rounding IN ('half_up', 'half_even') THEN 'none' ELSE rounding END AS rounding,
    CASE WHEN scale BETWEEN 0 AND 20 THEN unit_of_rounding(rounding, scale) END AS rounding_unit,
    CASE WHEN scale BETWEEN 0 AND 19 THEN (unit_of_rounding(rounding, scale + 1) * 5)::DECIMAL(38, 20) END AS rounding_half
FROM judged
