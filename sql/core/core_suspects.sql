-- One row per line that is not billed as its reading says, or that shows another schedule than its price list has.
-- Few lines among many: what follows looks at them alone.
WITH listed AS (
    SELECT price_list_id, reporting_month, account_report, measure_field, schedule_id, set_no, tier, rate, block, allowance, source
    FROM core_tiers
),
shown AS (
    SELECT
        network_id, mailbox_id, reporting_month, account_report, measure_field,
        schedule_rate, schedule_block, schedule_allowance
    FROM raw_line_items
)
SELECT
    results.*,
    sets.tiers,
    sets.kind,
    sets.unit,
    sets.allowance,
    shown.schedule_rate AS shown_rate,
    shown.schedule_block AS shown_block,
    listed.rate AS listed_rate,
    listed.block AS listed_block,
    results.schedule_id IS NOT NULL
    AND (
        listed.schedule_id IS NULL
        OR (shown.schedule_rate, shown.schedule_block, shown.schedule_allowance)
        IS DISTINCT FROM (listed.rate, listed.block, listed.allowance)
    ) AS shows_other_schedule,
    readings.model,
    readings.billed_in,
    readings.rate_per,
    readings.lone_bounds,
    readings.allowance_rule
FROM core_line_results AS results
INNER JOIN shown USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
LEFT JOIN listed USING (price_list_id, reporting_month, account_report, measure_field, schedule_id)
LEFT JOIN core_sets AS sets ON sets.set_no = results.set_no
LEFT JOIN core_chosen_readings AS chosen ON chosen.set_no = results.set_no
LEFT JOIN core_set_readings AS readings ON readings.set_no = results.set_no AND readings.reading_no = chosen.reading_no
WHERE results.verdict <> 'fits'
    OR (
        results.schedule_id IS NOT NULL
        AND (
            listed.schedule_id IS NULL
            OR (shown.schedule_rate, shown.schedule_block, shown.schedule_allowance)
            IS DISTINCT FROM (listed.rate, listed.block, listed.allowance)
        )
    )
