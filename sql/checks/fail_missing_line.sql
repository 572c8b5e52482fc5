-- One row per key that should have a line and has none.
-- title: Expected line is missing
-- The expected amount is unknown. If the response to another key names this key, both findings have one `cause`.
-- billed_amount: amount that the invoice bills for the key; null where no invoice has it
-- expected_amount: always null: without a line no amount can be calculated
-- difference: always null
SELECT
    missing.network_id,
    missing.mailbox_id,
    missing.reporting_month,
    missing.account_report,
    missing.measure_field,
    missing.price_list_id,
    -- the finding is about the line; the invoice is only evidence
    missing.invoice_amount AS billed_amount,
    CASE missing.evidence
        WHEN 'invoice' THEN concat(
            CASE
                WHEN missing.fault_message IS NULL THEN 'The API returned no line item'
                ELSE concat('The API returned a fault (', missing.fault_message, ')')
            END,
            ', but ',
            concat_ws(' ', CASE WHEN missing.source = 'InvoiceCalculate' THEN 'InvoiceCalculate' ELSE 'invoice' END, missing.invoice_number),
            ' bills ', coalesce(money_text(missing.invoice_amount), 'an amount that cannot be read'),
            ' for the key: ask the vendor to confirm the charge before paying it.'
        )
        WHEN 'answer' THEN concat(
            'The API returned a line item that cannot be read (', missing.fault_message,
            '), so its amount is in no total: ask the vendor for the right value, then request the month again with --refresh.'
        )
        ELSE concat(
            'The API returned no line item, though price list ', missing.price_list_id, ' prices ', missing.measure_field, ' and ',
            missing.accounts_with_line, ' of ', missing.accounts,
            ' accounts on it have a line this month: check whether the account''s use went unbilled.'
        )
    END AS explanation,
    misnamed.cause
FROM core_missing_lines AS missing
LEFT JOIN (
    SELECT *
    FROM core_identity_mismatches
    QUALIFY row_number() OVER (
        PARTITION BY
            named_network_id, named_mailbox_id, reporting_month, named_account_report, named_measure_field, amount
        ORDER BY cause
    ) = 1
) AS misnamed
    ON missing.evidence = 'invoice'
    AND misnamed.named_network_id = missing.network_id
    AND misnamed.named_mailbox_id = missing.mailbox_id
    AND misnamed.reporting_month = missing.reporting_month
    AND misnamed.named_account_report = missing.account_report
    AND misnamed.named_measure_field = missing.measure_field
    AND misnamed.amount = missing.invoice_amount
