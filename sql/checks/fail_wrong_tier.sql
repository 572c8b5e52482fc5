-- One row per line of the right quantity at the rate of a tier that it, or a slice of it, does not reach.
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
        'Billed ', money_text(faults.billed_amount),
        CASE
            WHEN faults.model IN ('stairstep', 'stacked_flat') THEN concat(', the fee of ', billed.level, ' alone')
            ELSE concat(' at the rate of ', billed.level, ' (', plain_text(billed.rate), ')')
        END,
        ', but ',
        CASE
            WHEN faults.model = 'graduated' THEN concat(
                'only a slice of the ', plain_text(faults.quantity_billed), ' billed lies there: each slice by its own tier of price list '
            )
            WHEN faults.model = 'stacked_flat' THEN concat(
                plain_text(faults.quantity_billed), ' billed reach ', reached.level, ': the fees of all tiers up to it, of price list '
            )
            WHEN faults.model = 'unit' THEN concat('all ', plain_text(faults.quantity_billed), ' billed are at the first rate of price list ')
            ELSE concat(
                plain_text(faults.quantity_billed), ' billed reach ', reached.level, ' (', plain_text(reached.rate), ') of price list '
            )
        END,
        faults.price_list_id, ', which gives ', money_text(faults.expected_amount), ': ', too_much_text(faults.difference), '.'
    ) || doubt_text(faults.is_doubtful) AS explanation,
    faults.is_doubtful
FROM core_line_faults AS faults
INNER JOIN core_set_tiers AS billed ON billed.set_no = faults.set_no AND billed.tier = faults.billed_tier
INNER JOIN core_set_tiers AS reached ON reached.set_no = faults.set_no AND reached.tier = faults.expected_tier
WHERE faults.fault = 'wrong_tier'
