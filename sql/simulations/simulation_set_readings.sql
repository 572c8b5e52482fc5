-- One row per rate ladder that is tried and candidate interpretation of it (core_set_readings).
-- kept as: scratch
-- with: core_tiers = simulation_tiers, core_sets = simulation_sets
SELECT *
FROM core_set_readings
