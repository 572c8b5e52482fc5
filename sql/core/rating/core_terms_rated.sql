-- One row per case of core_terms_cases: the exact amount, its slices where there are several, and what is billed in units and in blocks.
-- kept as: scratch
-- with: core_rating_cases = core_terms_cases, core_rating_readings = core_trial_readings
SELECT
    case_id.set_no,
    case_id.actual,
    case_id.rule_no,
    amount_exact,
    slices,
    quantity_billed::DECIMAL(28, 10) AS units,
    blocks_billed::DECIMAL(28, 10) AS blocks
FROM core_rated
WHERE error IS NULL
