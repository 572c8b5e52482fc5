-- One row per contract and month that an issued invoice bills: the newest of its invoices.
-- kept as: view
-- invoice_number: number of the newest invoice
-- currency: currency that it states, ISO 4217; null: the API states none
-- contract_id: ContractID that the invoice bills
SELECT contract_id, reporting_month, invoice_number, invoice_id, total_amount, currency
FROM core_issued_invoices
WHERE is_newest
