-- One row per rate ladder that is tried and interpretation that may hold for it: the rule as text (core_reading_rules).
-- kept as: scratch
-- with: core_sets = simulation_sets, core_set_readings = simulation_set_readings, core_reading_roundings = simulation_open_readings
SELECT *
FROM core_reading_rules
