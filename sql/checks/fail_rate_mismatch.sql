-- One row per line that shows a rate or a schedule that its terms do not have.
-- title: Rate is not the price list's
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
    CASE
        WHEN faults.departs_in = 'schedule' THEN concat(
            CASE
                WHEN faults.difference = 0 THEN 'The line shows'
                ELSE concat('Billed ', money_text(faults.billed_amount), ' by')
            END,
            ' schedule ', faults.schedule_id,
            CASE
                WHEN faults.is_as_listed THEN concat(' of price list ', faults.price_list_id, ', which ', faults.witness, ' does not have')
                ELSE concat(', which price list ', faults.price_list_id, ' does not have', coalesce(' by ' || faults.witness, ''))
            END,
            CASE
                WHEN faults.expected_amount IS NULL THEN ': the correct amount is undetermined.'
                WHEN faults.difference = 0 THEN concat('; the amount of ', money_text(faults.billed_amount), ' is correct.')
                WHEN faults.is_as_listed THEN concat('; its terms give ', money_text(faults.expected_amount), ': ', too_much_text(faults.difference), '.')
                ELSE concat('; the list''s own schedules give ', money_text(faults.expected_amount), '.')
            END
        )
        ELSE concat(
            CASE
                WHEN faults.difference = 0 THEN 'The line shows'
                ELSE concat('Billed ', money_text(faults.billed_amount), CASE WHEN faults.is_at_shown_rate THEN ' at' ELSE ', and the line shows' END)
            END,
            ' the rate ', grouped_text(faults.shown_rate),
            CASE
                WHEN faults.shown_block <> faults.listed_block
                    THEN concat(' and the block ', grouped_text(faults.shown_block))
                ELSE ''
            END,
            '; by ', faults.witness, CASE WHEN faults.shown_block <> faults.listed_block THEN ' they are ' ELSE ' it is ' END,
            grouped_text(faults.listed_rate),
            CASE
                WHEN faults.shown_block <> faults.listed_block
                    THEN concat(' and ', grouped_text(faults.listed_block))
                ELSE ''
            END,
            CASE
                WHEN faults.difference IS NULL THEN '. The correct amount is undetermined.'
                WHEN faults.difference = 0 THEN concat('; the amount of ', money_text(faults.billed_amount), ' is correct.')
                -- the other terms may have another rate
                WHEN faults.left_open = 'terms' THEN concat(': at least ', too_much_text(faults.difference), '.')
                ELSE concat(', which gives ', money_text(faults.expected_amount), ': ', too_much_text(faults.difference), '.')
            END
        )
    END || range_text(faults.expected_least, faults.expected_most, faults.left_open) || doubt_text(faults.doubt) AS explanation,
    faults.doubt IS NOT NULL AS is_doubtful,
    terms_cause(
        'rate_mismatch', faults.price_list_id, faults.account_report, faults.measure_field, faults.shown_rate, faults.listed_rate
    ) AS cause
FROM core_line_faults AS faults
WHERE faults.fault = 'rate_mismatch'
