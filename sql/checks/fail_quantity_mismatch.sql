-- One row per line whose quantity billed does not follow from the measured quantity, the allowance and the blocks.
-- title: Quantity billed does not follow from the usage
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
    CASE WHEN faults.departs_in = 'block' THEN concat(
        grouped_text(faults.quantity_billed), ' billed for ', units_text(faults.actual, faults.unit), ' measured, in blocks of ',
        grouped_text(faults.shown_block), '; by ', faults.witness, ' the block is ', grouped_text(faults.listed_block),
        CASE
            WHEN faults.difference IS NULL THEN '. The correct amount is undetermined.'
            WHEN faults.left_open = 'terms' AND faults.difference <> 0 THEN concat(': at least ', too_much_text(faults.difference), '.')
            WHEN faults.difference = 0 THEN concat(
                ': ', grouped_text(faults.expected_quantity_billed), '; the amount of ', money_text(faults.billed_amount), ' is correct.'
            )
            ELSE concat(
                ': ', grouped_text(faults.expected_quantity_billed), ' for ', money_text(faults.expected_amount), ', not ',
                money_text(faults.billed_amount), ': ', too_much_text(faults.difference), '.'
            )
        END
    ) ELSE concat(
        grouped_text(faults.quantity_billed), ' billed for ', units_text(faults.actual, faults.unit), ' measured',
        CASE WHEN faults.allowance > 0 THEN concat(', ', grouped_text(faults.allowance), ' of them free') ELSE '' END,
        CASE WHEN faults.listed_block > 0 THEN concat(', in blocks of ', grouped_text(faults.listed_block)) ELSE '' END,
        CASE
            WHEN faults.difference IS NULL OR faults.expected_least < faults.expected_most THEN concat(
                ', for ', money_text(faults.billed_amount), ': allowance and blocks give no such quantity',
                CASE WHEN faults.difference <> 0 THEN concat(', ', too_much_text(faults.difference), ' or more.') ELSE '.' END
            )
            WHEN faults.difference = 0 THEN concat(
                ': the correct quantity is ', grouped_text(faults.expected_quantity_billed), '; the amount of ',
                money_text(faults.billed_amount), ' is correct.'
            )
            ELSE concat(
                ': the correct quantity is ', grouped_text(faults.expected_quantity_billed), ', which costs ', money_text(faults.expected_amount),
                ', not ', money_text(faults.billed_amount), ': ', too_much_text(faults.difference), '.'
            )
        END,
        witness_text(faults.witness)
    ) END || range_text(faults.expected_least, faults.expected_most, faults.left_open) || doubt_text(faults.doubt) AS explanation,
    faults.doubt IS NOT NULL AS is_doubtful,
    CASE
        WHEN faults.doubt = 'few_lines_fit' THEN undecided_cause(faults.price_list_id, faults.account_report, faults.measure_field)
        WHEN faults.departs_in = 'block' THEN terms_cause(
            'quantity_mismatch', faults.price_list_id, faults.account_report, faults.measure_field, faults.shown_block,
            faults.listed_block
        )
        WHEN faults.left_out = 'block' THEN terms_cause(
            'quantity_mismatch', faults.price_list_id, faults.account_report, faults.measure_field, NULL, faults.listed_block
        )
    END AS cause
FROM core_line_faults AS faults
WHERE faults.fault = 'quantity_mismatch'
