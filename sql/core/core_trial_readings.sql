-- One row per rule on trial, as the rating takes it. Not rounded, so that every rounding can be tried after.
SELECT DISTINCT
    case_reading_id AS reading_id,
    model,
    CASE WHEN tier_bound = 'max_inclusive' THEN 'inclusive' ELSE 'exclusive' END AS upper_bound,
    replace(blocks, '_by_tier', '') AS blocks,
    CASE WHEN blocks LIKE '%\_by\_tier' ESCAPE '\' THEN 'tier' ELSE 'quantity' END AS block_scope,
    rate_per,
    CASE WHEN allowance_rule = 'ignored' THEN 'before_blocks' ELSE allowance_rule END AS allowance_rule,
    zero_quantity = 'pays_flat' AS zero_pays_flat,
    'none' AS rounding,
    2 AS scale
FROM core_set_readings
