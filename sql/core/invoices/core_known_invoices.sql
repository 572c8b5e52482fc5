-- One row per issued invoice whose total is known: what it asks, and what is disputed and not explained of it.
-- kept as: view
SELECT
    contract_id,
    reporting_month,
    invoice_source AS source,
    invoice_number,
    sum(invoiced_amount) AS invoiced_amount,
    sum(disputed_amount) AS disputed_amount,
    sum(coalesce(unexplained_difference, 0)) AS unexplained_difference
FROM out_invoice_reconciliation
WHERE invoice_source IS NOT NULL
GROUP BY ALL
HAVING count(*) = count(invoiced_amount)
