-- One row per line whose quantity or amount on the invoice differs from InvoiceCalculateLineItem; per measure where the invoice has no account.
-- title: Invoice shows another amount
-- No row where another finding is the cause: the line itself is wrong and the invoice is correct, or the invoice has the amount from
-- before the line was restated. If a line's response names this key and its amount is the difference, both findings have one `cause`.
-- billed_amount: amount of the line on the invoice
-- expected_amount: amount of the line by InvoiceCalculateLineItem
SELECT
    matches.network_id,
    matches.mailbox_id,
    matches.reporting_month,
    matches.account_report,
    matches.measure_field,
    matches.price_list_id,
    matches.invoice_number,
    matches.invoice_amount AS billed_amount,
    matches.amount AS expected_amount,
    matches.invoice_amount - matches.amount AS difference,
    concat(
        'Invoice ', coalesce(matches.invoice_number, matches.invoice_id::VARCHAR), ' bills ',
        CASE WHEN matches.invoice_quantity_billed IS NOT NULL THEN grouped_text(matches.invoice_quantity_billed) || ' at ' END,
        money_text(matches.invoice_amount), '; InvoiceCalculateLineItem returns ', grouped_text(matches.quantity_billed), ' at ',
        money_text(matches.amount),
        CASE
            WHEN matches.invoice_amount = matches.amount THEN '.'
            ELSE concat(': the invoice bills ', too_much_text(matches.invoice_amount - matches.amount), '.')
        END
    ) AS explanation,
    misnamed.cause
FROM core_invoice_matches AS matches
LEFT JOIN (
    SELECT
        named_network_id, named_mailbox_id, reporting_month, named_account_report, named_measure_field, amount, min(cause) AS cause
    FROM core_identity_mismatches
    GROUP BY ALL
) AS misnamed
    ON misnamed.named_network_id = matches.network_id
    AND misnamed.named_mailbox_id = matches.mailbox_id
    AND misnamed.reporting_month = matches.reporting_month
    AND misnamed.named_account_report = matches.account_report
    AND misnamed.named_measure_field = matches.measure_field
    AND misnamed.amount = matches.invoice_amount - matches.amount
LEFT JOIN core_line_faults AS faults
    ON faults.network_id = matches.network_id
    AND faults.mailbox_id = matches.mailbox_id
    AND faults.reporting_month = matches.reporting_month
    AND faults.account_report = matches.account_report
    AND faults.measure_field = matches.measure_field
    AND faults.fault IS NOT NULL
ANTI JOIN raw_line_item_history AS earlier
    ON earlier.network_id = matches.network_id
    AND earlier.mailbox_id = matches.mailbox_id
    AND earlier.reporting_month = matches.reporting_month
    AND earlier.account_report = matches.account_report
    AND earlier.measure_field = matches.measure_field
    AND earlier.amount = matches.invoice_amount
    AND earlier.quantity_billed = matches.invoice_quantity_billed
WHERE matches.status = 'differs' AND matches.invoice_amount IS DISTINCT FROM faults.expected_amount
UNION ALL BY NAME
SELECT
    reporting_month,
    account_report,
    measure_field,
    invoice_number,
    try_cast(invoice_amount AS DECIMAL(28, 10)) AS billed_amount,
    try_cast(amount AS DECIMAL(28, 10)) AS expected_amount,
    try_cast(invoice_amount - amount AS DECIMAL(28, 10)) AS difference,
    concat(
        'Invoice ', invoice_number, ' bills ', coalesce(account_report || ' ' || measure_field, 'what invoice_lines.csv maps to no measure'),
        ' at ', money_text(try_cast(invoice_amount AS DECIMAL(28, 10))), ' in ', invoice_lines,
        CASE WHEN invoice_lines = 1 THEN ' line' ELSE ' lines' END, ' without an account or measure; InvoiceCalculateLineItem answers ', lines,
        CASE WHEN lines = 1 THEN ' line' ELSE ' lines' END, ' for it over ', money_text(try_cast(amount AS DECIMAL(28, 10))),
        ': the invoice has ', too_much_text(try_cast(invoice_amount - amount AS DECIMAL(28, 10))), '.'
    ) AS explanation
FROM core_invoice_groups
WHERE invoice_amount <> amount AND keys_faulted = 0
