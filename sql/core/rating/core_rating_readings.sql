-- One row per reading that rates billed lines, in the form of the rating.
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
