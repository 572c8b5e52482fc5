-- One row per case of core_screen_cases: the exact amount, its slices where there are several, and what was billed in units and in blocks.
-- kept as: scratch
-- with: core_rating_cases = core_screen_cases, core_rating_readings = core_trial_readings
SELECT
    case_id,
    amount_exact,
    slices,
    quantity_billed AS units,
    blocks_billed AS blocks,
    tier,
    error
FROM core_rated
