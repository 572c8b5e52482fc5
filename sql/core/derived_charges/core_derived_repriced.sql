-- One row per derived charge of core_repriced_lines: the amount that the previous rate ladder gives for the new base.
-- Only if the interpretations of the previous and the current ladder have the same base.
SELECT
    moved.network_id,
    moved.mailbox_id,
    moved.reporting_month,
    moved.account_report,
    moved.measure_field,
    -- null: too large
    try(money_line_amount(
        readings.rule, sets.first_rate, money.base_amount, roundings.rounding, units.unit, units.half
    )) AS amount
FROM core_repriced_lines AS moved
INNER JOIN core_derived_expected AS money USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
INNER JOIN core_derived_chosen AS chosen ON chosen.set_no = moved.previous_set_no AND chosen.verdict <> 'none_fits'
INNER JOIN core_derived_readings AS readings ON readings.reading_no = chosen.reading_no AND readings.base = money.base
INNER JOIN core_sets AS sets ON sets.set_no = moved.previous_set_no
INNER JOIN core_price_list_roundings AS roundings ON roundings.price_list_id = sets.price_list_id
INNER JOIN core_roundings AS units USING (rounding_no)
