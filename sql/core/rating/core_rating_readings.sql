-- One row per reading that rates billed lines, as the rating takes it.
-- kept as: view
SELECT
    reading_id,
    model,
    upper_bound,
    blocks,
    block_scope,
    rate_per,
    allowance_rule,
    zero_pays_flat,
    rounding,
    scale
FROM core_rounded_readings
