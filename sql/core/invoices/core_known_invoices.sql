-- One row per issued invoice whose total is known: what it asks, and what is disputed and not explained of it.
-- kept as: view
SELECT
    contract_id,
    reporting_month,
    invoice_source AS source,
    invoice_number,
    sum(invoiced_amount) AS invoiced_amount,
    sum(disputed_amount) AS disputed_amount,
    sum(unexplained_difference) AS unexplained_difference
FROM out_invoice_reconciliation
GROUP BY ALL
HAVING count(*) = count(invoiced_amount)
