-- One row per invoice charge without a Schedule, and per credit note without lines: no key, so no line item can be requested. No error.
-- title: Charge only on the invoice
-- billed_amount: amount of the charge on the invoice, or total of the credit note
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
UNION ALL BY NAME
SELECT
    issued.reporting_month,
    issued.invoice_number,
    issued.total_amount AS billed_amount,
    concat(
        'Credit note ', coalesce(issued.invoice_number, 'InvoiceID ' || issued.invoice_id), ' of contract ', issued.contract_id, ' credits ',
        money_text(-issued.total_amount), ' and has no lines: check which of your claims it answers, or ask the vendor what it is for.'
    ) AS explanation
FROM core_issued_invoices AS issued
ANTI JOIN core_invoice_lines USING (contract_id, reporting_month, source, invoice_id)
ANTI JOIN core_limited_runs USING (reporting_month)
WHERE issued.total_amount < 0
