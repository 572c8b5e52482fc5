-- One row per interpretation that rates the ladders that are tried (core_rating_readings).
-- kept as: scratch
-- with: core_set_readings = simulation_set_readings, core_reading_roundings = simulation_open_readings
SELECT *
FROM core_rating_readings
