-- One row per line whose quantity is correct and whose amount no rule of its interpretation gives.
-- title: Amount does not follow from the price list
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
        'Billed ', money_text(faults.billed_amount),
        CASE
            -- the Actual of a subtotal is an amount of money
            WHEN faults.kind = 'subtotal' THEN concat(' as a subtotal of ', money_text(faults.actual), ': ', regexp_replace(rules.rule, '^.*the sum of', 'the sum of'), ' is ', money_text(money.base_amount))
            ELSE concat(' for ', units_text(faults.actual, faults.unit), ' measured: price list ', faults.price_list_id, ' gives ', coalesce(money_text(faults.expected_amount), 'another amount'))
        END,
        CASE WHEN coalesce(faults.difference, 0) = 0 THEN '' ELSE concat(', so ', too_much_text(faults.difference)) END,
        CASE
            WHEN faults.missing_fee IS NOT NULL THEN concat('. The fee of ', money_text(faults.missing_fee), ' is missing')
            WHEN is_fee_model(faults.model) AND faults.quantity_billed = 0 AND faults.billed_tier IS NOT NULL
                THEN '. The billed amount is a fee of the list, and a quantity of 0 pays none'
            WHEN faults.billed_fees IS NOT NULL THEN concat('. The billed amount is ', faults.billed_fees)
            WHEN faults.billed_model = 'graduated'
                THEN '. The billed amount prices each slice at the rate of its own tier; the list prices the whole quantity at the rate of the tier reached'
            WHEN faults.billed_model = 'volume'
                THEN '. The billed amount prices the whole quantity at the rate of the tier reached; the list prices each slice at the rate of its own tier'
            WHEN faults.kind = 'subtotal' THEN ''
            ELSE '. No rate or rule of the list gives the billed amount'
        END,
        CASE WHEN faults.doubt = 'few_lines_fit' OR faults.difference = 0 THEN '.' ELSE '. Request a correction.' END
    ) || range_text(faults.expected_least, faults.expected_most, faults.left_open) || witness_text(faults.witness) || doubt_text(faults.doubt) AS explanation,
    faults.doubt IS NOT NULL AS is_doubtful,
    CASE
        WHEN faults.doubt = 'few_lines_fit' THEN undecided_cause(faults.price_list_id, faults.account_report, faults.measure_field)
    END AS cause
FROM core_line_faults AS faults
LEFT JOIN core_derived_expected AS money
    ON money.network_id = faults.network_id
    AND money.mailbox_id = faults.mailbox_id
    AND money.reporting_month = faults.reporting_month
    AND money.account_report = faults.account_report
    AND money.measure_field = faults.measure_field
LEFT JOIN core_derived_rules AS rules USING (reading_no)
WHERE faults.fault = 'amount_mismatch'
