-- One row per line of core_price_moves that is money of other lines: what the former schedule set makes of the new sum.
-- per: group
-- Only where the former set's reading takes the same sum as today's.
SELECT
    moved.network_id,
    moved.mailbox_id,
    moved.reporting_month,
    moved.account_report,
    moved.measure_field,
    money_line_amount(
        readings.rule, sets.first_rate, money.base_amount, roundings.rounding, units.unit, units.half
    ) AS amount
FROM core_price_moves AS moved
INNER JOIN core_money_expected AS money USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
INNER JOIN core_money_chosen AS chosen ON chosen.set_no = moved.previous_set_no AND chosen.verdict <> 'none_fits'
INNER JOIN core_money_readings AS readings ON readings.reading_no = chosen.reading_no AND readings.base = money.base
INNER JOIN core_sets AS sets ON sets.set_no = moved.previous_set_no
INNER JOIN core_price_list_roundings AS roundings ON roundings.price_list_id = sets.price_list_id
INNER JOIN core_roundings AS units USING (rounding_no)
