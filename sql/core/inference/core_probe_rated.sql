-- One row per case of core_probe_cases: the amount of the tied rule, or its error.
-- kept as: scratch
-- with: core_rating_cases = core_probe_cases, core_rating_readings = core_rounded_readings
SELECT
    case_id,
    amount,
    error
FROM core_rated
