-- One row per invoice that asks to be paid, by the strongest source that has it: imported, InvoiceInfo, InvoiceList.
-- kept as: view
-- InvoiceCalculate and a Pending invoice are trials, and a Canceled invoice asks nothing: they have no row. A credit note has a
-- negative total. Sources that have the same invoice number have the same invoice, whatever month and contract they give it.
-- `is_newest`: the latest of its contract and month, which bills what no other invoice of theirs does.
WITH issued AS (
    SELECT
        *,
        CASE source WHEN 'imported' THEN 1 WHEN 'InvoiceInfo' THEN 2 ELSE 3 END AS source_rank
    FROM raw_invoices
    WHERE source <> 'InvoiceCalculate' AND coalesce(status, '') NOT IN ('Canceled', 'Pending')
),
strongest AS (
    SELECT *
    FROM issued
    QUALIFY source_rank = min(source_rank) OVER (PARTITION BY coalesce(invoice_number, concat('InvoiceID ', invoice_id)))
)
SELECT
    contract_id,
    reporting_month,
    source,
    invoice_id,
    invoice_number,
    invoice_date,
    date_due,
    terms,
    po_number,
    total_amount,
    row_number() OVER (
        PARTITION BY contract_id, reporting_month
        ORDER BY invoice_date DESC NULLS LAST, invoice_id DESC, source_rank
    ) = 1 AS is_newest
FROM strongest
