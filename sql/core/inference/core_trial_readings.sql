-- One row per rule on trial, as the rating takes it. Its exact amount is not rounded, so that every rounding can be tried after;
-- a rule that adds up slices keeps them (core_rated, `slices`).
SELECT DISTINCT
    case_reading_id AS reading_id,
    model,
    CASE WHEN tier_bound = 'max_inclusive' THEN 'inclusive' ELSE 'exclusive' END AS upper_bound,
    replace(blocks, '_by_tier', '') AS blocks,
    CASE WHEN blocks LIKE '%\_by\_tier' ESCAPE '\' THEN 'tier' ELSE 'quantity' END AS block_scope,
    rate_per,
    CASE WHEN allowance_rule = 'ignored' THEN 'before_blocks' ELSE allowance_rule END AS allowance_rule,
    zero_quantity = 'pays_flat' AS zero_pays_flat,
    CASE WHEN model IN ('graduated', 'stacked_flat') THEN 'none_slices' ELSE 'none' END AS rounding,
    2 AS scale
FROM core_set_readings
