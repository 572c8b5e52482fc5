-- One row per rate ladder, candidate interpretation and number that a line may leave out: the same candidate without that number.
-- kept as: scratch
-- `is_other_use`: that candidate uses the number in another way (parts of a block at a rate per block), so it is an interpretation itself.
-- departed: allowance (not taken off), block (not rounded to), bound (floor or cap of a single schedule, not applied).
SELECT
    readings.set_no,
    readings.reading_no,
    without.reading_no AS departed_reading_no,
    without.plausibility <> 'departure' AS is_other_use,
    CASE
        WHEN without.allowance_rule = 'ignored' THEN 'allowance'
        WHEN without.blocks <> readings.blocks THEN 'block'
        ELSE 'bound'
    END AS departed
FROM core_set_readings AS readings
INNER JOIN core_set_readings AS without
    ON without.set_no = readings.set_no
    AND without.model = readings.model
    AND without.tier_bound = readings.tier_bound
    AND without.rate_per = readings.rate_per
    AND without.billed_in = readings.billed_in
    AND without.zero_block = readings.zero_block
    AND without.zero_quantity = readings.zero_quantity
    AND (without.plausibility = 'departure' OR without.blocks = 'none')
WHERE readings.plausibility <> 'departure'
    AND CASE
        WHEN without.allowance_rule = 'ignored'
            THEN without.blocks = readings.blocks
            AND without.lone_bounds = replace(readings.lone_bounds, '_after_allowance', '')
        WHEN without.blocks <> readings.blocks
            THEN without.blocks = 'none'
            AND without.lone_bounds = readings.lone_bounds
            -- where nothing is rounded, an allowance after blocks is one before them
            AND without.allowance_rule = replace(readings.allowance_rule, 'after_blocks', 'before_blocks')
        ELSE without.allowance_rule = readings.allowance_rule
            AND readings.lone_bounds LIKE 'floor_and_cap%'
            AND (without.lone_bounds IN ('floor', 'cap') OR (without.lone_bounds = 'ignored' AND NOT without.has_both_bounds))
    END
