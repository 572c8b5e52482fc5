-- One row per CreditPercentage or DebitPercentage line whose amount is not its rate times the base.
-- title: Percentage charge is wrong
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
        'Billed ', money_text(faults.billed_amount), '; ', rules.rule, ' (Rate ', grouped_text(money.rate), ', charges of ',
        money_text(money.base_amount), ') is ', money_text(money.expected_amount),
        CASE
            WHEN faults.expected_least < faults.expected_most THEN concat('.', range_text(faults.expected_least, faults.expected_most, faults.left_open))
            ELSE ':'
        END,
        ' ' || CASE WHEN faults.expected_least < faults.expected_most THEN 'At least ' ELSE '' END || too_much_text(faults.difference) || '.'
    ) || witness_text(faults.witness) || doubt_text(faults.doubt) AS explanation,
    faults.doubt IS NOT NULL AS is_doubtful
FROM core_line_faults AS faults
INNER JOIN core_derived_expected AS money
    USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
INNER JOIN core_derived_rules AS rules USING (reading_no)
WHERE faults.fault = 'percentage_mismatch'
