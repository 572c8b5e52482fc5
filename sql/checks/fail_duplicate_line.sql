-- One row per line that is billed more than once, by one invoice or by several of its contract.
-- title: Same line billed twice
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    price_list_id,
    invoice_number,
    try_cast(invoice_amount * (count(*) + 1) AS DECIMAL(28, 10)) AS billed_amount,
    invoice_amount AS expected_amount,
    try_cast(invoice_amount * count(*) AS DECIMAL(28, 10)) AS difference,
    concat(
        'Invoice ', coalesce(invoice_number, invoice_id::VARCHAR), ' bills the line of ', money_text(invoice_amount), ' ', count(*) + 1,
        ' times: ', money_text(try_cast(invoice_amount * count(*) AS DECIMAL(28, 10))), ' too much. Request a credit.'
    ) AS explanation
FROM core_invoice_matches
WHERE status = 'copy'
GROUP BY
    network_id, mailbox_id, reporting_month, account_report, measure_field, price_list_id, invoice_number, invoice_id, invoice_amount
