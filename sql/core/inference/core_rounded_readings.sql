-- One row per rule and rounding that readings of its rate ladder use, as the rating takes it.
SELECT DISTINCT
    readings.case_reading_id || '.' || roundings.rounding || roundings.scale AS reading_id,
    trial.model,
    trial.upper_bound,
    trial.blocks,
    trial.block_scope,
    trial.rate_per,
    trial.allowance_rule,
    trial.zero_pays_flat,
    roundings.rounding,
    roundings.scale
FROM core_set_readings AS readings
INNER JOIN core_trial_readings AS trial ON trial.reading_id = readings.case_reading_id
INNER JOIN (SELECT DISTINCT set_no, rounding, scale FROM core_reading_roundings) AS roundings USING (set_no)
