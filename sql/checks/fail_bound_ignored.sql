-- One row per line billed without the Minimum or Maximum quantity of its schedule.
-- title: Minimum or maximum quantity ignored
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
        units_text(faults.quantity_billed, faults.unit), ' billed as measured, but the schedule bills ',
        CASE
            WHEN sets.first_maximum > 0 AND sets.first_maximum < sets.first_minimum
                THEN concat('at least ', grouped_text(sets.first_minimum), ' and at most ', grouped_text(sets.first_maximum), ', so ', grouped_text(faults.expected_quantity_billed))
            WHEN faults.quantity_billed < coalesce(faults.expected_quantity_billed, sets.first_minimum)
                THEN concat('at least ', grouped_text(sets.first_minimum))
            ELSE concat('at most ', grouped_text(sets.first_maximum))
        END,
        CASE
            WHEN faults.difference IS NULL THEN '. The correct amount is undetermined.'
            WHEN faults.difference = 0 THEN concat('. The amount of ', money_text(faults.billed_amount), ' does not change.')
            ELSE concat(
                ', which costs ', money_text(faults.expected_amount), ', not ', money_text(faults.billed_amount), ': ',
                too_much_text(faults.difference), '.'
            )
        END
    ) || range_text(faults.expected_least, faults.expected_most, faults.left_open) || witness_text(faults.witness) || doubt_text(faults.doubt) AS explanation,
    faults.doubt IS NOT NULL AS is_doubtful,
    terms_cause(
        'bound_ignored', faults.price_list_id, faults.account_report, faults.measure_field, NULL,
        CASE
            WHEN faults.quantity_billed < coalesce(faults.expected_quantity_billed, sets.first_minimum) THEN sets.first_minimum
            ELSE sets.first_maximum
        END
    ) AS cause
FROM core_line_faults AS faults
INNER JOIN core_sets AS sets USING (set_no)
WHERE faults.fault = 'bound_ignored'
