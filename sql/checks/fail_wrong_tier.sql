-- One row per line of the correct quantity at the rate of a tier that it, or a slice of it, does not reach, and per line of the correct
-- amount that shows such a tier.
-- title: Priced by the wrong tier
SELECT
    faults.network_id,
    faults.mailbox_id,
    faults.reporting_month,
    faults.account_report,
    faults.measure_field,
    faults.price_list_id,
    faults.billed_amount,
    faults.expected_amount,
    faults.difference,
    CASE WHEN faults.verdict = 'fits' THEN concat(
        'Billed ', money_text(faults.billed_amount),
        CASE faults.model
            WHEN 'graduated' THEN ', slice by slice up to '
            WHEN 'stacked_flat' THEN ', the fees of all tiers up to '
            ELSE ' at the rate of '
        END,
        billed.level, ' (', grouped_text(billed.rate), '), the tier of ', grouped_text(faults.quantity_billed), ' billed, but the line shows ', shown.level, ' (', grouped_text(shown.rate),
        '): the amount is correct, the schedule shown is not. Ask the vendor to correct it.'
    ) || witness_text(faults.witness) WHEN faults.verdict = 'undecided' THEN concat(
        'Billed ', money_text(faults.billed_amount), ' at the rate of ', billed.level, ' (', grouped_text(billed.rate), '), but the line shows ',
        shown.level, ' (', grouped_text(shown.rate), '), ',
        CASE
            WHEN faults.is_by_slices THEN 'and the slices up to it give '
            ELSE 'which gives '
        END,
        money_text(faults.expected_amount), ': ',
        too_much_text(faults.difference), '. The lines of price list ', faults.price_list_id,
        ' do not decide whether that tier applies: ask the vendor.'
    ) ELSE concat(
        'Billed ', money_text(faults.billed_amount),
        CASE
            WHEN is_fee_model(faults.model) THEN concat(', the fee of ', billed.level, ' alone')
            ELSE concat(' at the rate of ', billed.level, ' (', grouped_text(billed.rate), ')')
        END,
        ', but ',
        CASE
            WHEN faults.model = 'graduated' THEN concat(
                'only a slice of the ', grouped_text(faults.quantity_billed), ' billed is in that tier: price each slice at its own tier of price list '
            )
            WHEN faults.model = 'stacked_flat' THEN concat(
                grouped_text(faults.quantity_billed), ' billed reach ', reached.level, ': add the fees of all tiers up to it of price list '
            )
            WHEN faults.model = 'unit' THEN concat('all ', grouped_text(faults.quantity_billed), ' billed are at the first rate of price list ')
            ELSE concat(
                grouped_text(faults.quantity_billed), ' billed reach ', reached.level, ' (', grouped_text(reached.rate), ') of price list '
            )
        END,
        faults.price_list_id,
        CASE
            WHEN faults.difference IS NULL THEN '.'
            ELSE concat(', which gives ', money_text(faults.expected_amount), ': ', too_much_text(faults.difference), '.')
        END
    ) || range_text(faults.expected_least, faults.expected_most, faults.left_open) || witness_text(faults.witness) || doubt_text(faults.doubt) END AS explanation,
    faults.doubt IS NOT NULL AS is_doubtful,
    CASE
        WHEN faults.doubt = 'few_lines_fit' THEN undecided_cause(faults.price_list_id, faults.account_report, faults.measure_field)
        WHEN faults.verdict IN ('fits', 'undecided') THEN terms_cause(
            'wrong_tier', faults.price_list_id, faults.account_report, faults.measure_field, billed.rate, shown.rate
        )
    END AS cause
FROM core_line_faults AS faults
INNER JOIN core_set_tiers AS billed ON billed.set_no = faults.set_no AND billed.tier = faults.billed_tier
INNER JOIN core_set_tiers AS reached ON reached.set_no = faults.set_no AND reached.tier = faults.expected_tier
LEFT JOIN core_set_tiers AS shown ON shown.set_no = faults.set_no AND shown.tier = faults.shown_tier
WHERE faults.fault = 'wrong_tier'
