-- One row per line that is billed without its schedule's allowance taken off.
-- title: Allowance not applied
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
    concat(
        grouped_text(faults.quantity_billed), ' billed for ', units_text(faults.actual, faults.unit),
        ' measured: the allowance of ', grouped_text(faults.allowance), ' was not applied. ',
        CASE
            WHEN faults.difference IS NULL THEN 'The correct amount is undetermined.'
            WHEN faults.difference = 0 THEN concat(
                'The quantity is not correct; the amount of ', money_text(faults.billed_amount),
                CASE WHEN faults.expected_least < faults.expected_most THEN ' may be.' ELSE ' is.' END
            )
            -- the quantity expected is that of one candidate, the amount may be that of another
            ELSE concat(
                'With the allowance applied, ',
                CASE
                    WHEN faults.expected_least < faults.expected_most THEN 'the line costs '
                    ELSE concat(grouped_text(faults.expected_quantity_billed), ' are billed at ')
                END,
                money_text(faults.expected_amount), ', not ', money_text(faults.billed_amount), ': ', too_much_text(faults.difference), '.'
            )
        END
    ) || CASE
        WHEN faults.doubt = 'number_unshown' AND faults.difference IS NOT NULL THEN ''
        ELSE range_text(faults.expected_least, faults.expected_most, faults.left_open)
    END || witness_text(faults.witness) || doubt_text(faults.doubt) AS explanation,
    faults.doubt IS NOT NULL AS is_doubtful,
    terms_cause(
        'allowance_not_applied', faults.price_list_id, faults.account_report, faults.measure_field, NULL, faults.allowance
    ) AS cause
FROM core_line_faults AS faults
WHERE faults.fault = 'allowance_not_applied'
