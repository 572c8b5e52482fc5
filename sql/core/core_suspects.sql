-- One row per line that is not billed as its reading says, or that shows another schedule than its price list has.
-- Few lines among many: what follows looks at them alone.
SELECT
    results.*,
    sets.tiers,
    sets.kind,
    sets.unit,
    sets.allowance,
    listed.rate AS listed_rate,
    listed.block AS listed_block,
    readings.model,
    readings.billed_in,
    readings.rate_per,
    readings.lone_bounds,
    readings.allowance_rule
FROM core_line_results AS results
LEFT JOIN core_tiers AS listed USING (price_list_id, reporting_month, account_report, measure_field, schedule_id)
LEFT JOIN core_sets AS sets ON sets.set_no = results.set_no
LEFT JOIN core_chosen_readings AS chosen ON chosen.set_no = results.set_no
LEFT JOIN core_set_readings AS readings ON readings.set_no = results.set_no AND readings.reading_no = chosen.reading_no
WHERE results.verdict <> 'fits' OR results.shows_other_schedule
