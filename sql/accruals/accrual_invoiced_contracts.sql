-- One row per contract whose invoices of the month are here: what they ask.
-- kept as: scratch
SELECT contract_id, sum(invoiced_amount)::DECIMAL(38, 10) AS invoiced_amount
FROM out_invoice_reconciliation
WHERE reporting_month = getvariable('month')::DATE AND contract_id IS NOT NULL
GROUP BY contract_id
HAVING count(*) = count(invoiced_amount)
