-- One row per rate ladder and tier: the ladders of `out_readings`.
-- kept as: view
-- Bounds are as ECGrid has them; a Maximum of 0 on the last tier is open [inferred], and the interpretation decides whether a bound belongs to its tier.
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
