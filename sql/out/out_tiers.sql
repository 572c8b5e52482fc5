-- One row per schedule set and tier: the ladder that the readings of `out_readings` are tried on.
-- kept as: view
-- Bounds are ECGrid's words; a Maximum of 0 on the last tier is open [inferred], and whether a bound belongs to its tier is a reading's.
-- minimum: Minimum of the schedule, in units of the measure; null where the service does not state it
-- maximum: Maximum of the schedule, in units of the measure; 0 on the last tier is open [inferred]
-- rate: Rate of the schedule: the price of a unit, of a block or of the step, as the reading has it
SELECT
    tiers.schedule_set_id,
    tiers.price_list_id,
    sets.price_list_description,
    sets.account_report,
    sets.measure_field,
    sets.model_word,
    tiers.tier,
    tiers.level,
    tiers.level_name,
    tiers.schedule_id,
    tiers.allowance,
    tiers.minimum,
    tiers.maximum,
    tiers.block,
    tiers.rate,
    sets.first_month,
    sets.last_month
FROM core_set_tiers AS tiers
INNER JOIN core_sets AS sets USING (set_no)
