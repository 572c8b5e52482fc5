-- One row per line of the right quantity at the rate of a tier that it does not reach.
SELECT
    faults.network_id,
    faults.mailbox_id,
    faults.reporting_month,
    faults.account_report,
    faults.measure_field,
    faults.price_list_id,
    NULL::VARCHAR AS invoice_number,
    faults.billed_amount,
    faults.expected_amount,
    faults.difference,
    concat(
        'Billed ', money_text(faults.billed_amount), ' at the rate of ', billed.level, ' (', plain_text(billed.rate), '), but ',
        plain_text(faults.quantity_billed), ' billed reach ', reached.level, ' (', plain_text(reached.rate), ') of price list ',
        faults.price_list_id, ', which gives ', money_text(faults.expected_amount), ': ', too_much_text(faults.difference), '.'
    ) AS explanation
FROM core_line_faults AS faults
INNER JOIN core_set_tiers AS billed ON billed.set_no = faults.set_no AND billed.tier = faults.billed_tier
INNER JOIN core_set_tiers AS reached ON reached.set_no = faults.set_no AND reached.tier = faults.expected_tier
WHERE faults.fault = 'wrong_tier'
