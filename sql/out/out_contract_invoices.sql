-- One row per contract and month that an invoice of the service bills: the invoice to be paid for it.
-- kept as: view
-- Canceled invoices and previews (InvoiceCalculate) do not count; of several the newest does.
-- invoice_number: number of the newest invoice that counts
-- contract_id: ContractID that the invoice bills
SELECT
    contract_id,
    reporting_month,
    arg_max(invoice_number, invoice_id) AS invoice_number,
    max(invoice_id) AS invoice_id,
    arg_max(total_amount, invoice_id) AS total_amount
FROM raw_invoices
WHERE source IN ('InvoiceInfo', 'InvoiceList') AND invoice_number IS NOT NULL AND coalesce(status, '') <> 'Canceled'
GROUP BY contract_id, reporting_month
