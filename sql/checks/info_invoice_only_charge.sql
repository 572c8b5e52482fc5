-- One row per invoice charge without a Schedule: it has no key, so no line item can be requested for it. This is no error.
-- title: Charge only on the invoice
-- billed_amount: amount of the charge on the invoice
-- expected_amount: always null: no price list has the charge
-- difference: always null
SELECT
    matches.network_id,
    matches.mailbox_id,
    matches.reporting_month,
    matches.invoice_number,
    matches.invoice_amount AS billed_amount,
    concat(
        CASE WHEN matches.source = 'InvoiceCalculate' THEN 'InvoiceCalculate' ELSE 'Invoice ' END,
        coalesce(matches.invoice_number, CASE WHEN matches.source = 'InvoiceCalculate' THEN '' ELSE matches.invoice_id::VARCHAR END),
        ' bills ', coalesce(money_text(matches.invoice_amount), 'an amount that cannot be read'),
        coalesce(' for ' || matches.line_description, ''), ' without a price list: check it against your order or the vendor''s notice.'
    ) AS explanation
FROM core_invoice_matches AS matches
WHERE matches.status = 'invoice_only'
