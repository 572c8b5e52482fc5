-- One row per key that should have a line and has none.
SELECT
    missing.network_id,
    missing.mailbox_id,
    missing.reporting_month,
    missing.account_report,
    missing.measure_field,
    missing.price_list_id,
    -- the invoice is evidence, not what is wrong: the finding is about the line
    NULL::VARCHAR AS invoice_number,
    NULL::DECIMAL(28, 10) AS billed_amount,
    missing.expected_amount,
    -missing.expected_amount AS difference,
    CASE missing.evidence
        WHEN 'invoice' THEN concat(
            'No line was answered, but ', CASE WHEN missing.source = 'InvoiceCalculate' THEN 'InvoiceCalculate ' ELSE 'invoice ' END,
            coalesce(missing.invoice_number, ''), ' bills ', money_text(missing.expected_amount),
            ' for it: ask why InvoiceCalculateLineItem leaves it out before booking either.'
        )
        ELSE concat(
            'No line was answered, though price list ', missing.price_list_id, ' prices ', missing.measure_field, ' and ',
            missing.accounts_with_line, ' of ', missing.accounts,
            ' accounts on it have a line this month: check whether the account''s use went unbilled.'
        )
    END AS explanation
FROM core_missing_lines AS missing
