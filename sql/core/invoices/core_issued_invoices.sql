-- One row per invoice that asks to be paid, by the strongest source that has it: imported, InvoiceInfo, InvoiceList.
-- kept as: view
-- InvoiceCalculate and a Pending invoice are trials, and a Canceled invoice asks nothing: they have no row. A credit note has a
-- negative total. Sources that have the same invoice number have the same invoice, whatever month and contract they give it; a file
-- that cancels an invoice cancels what the API has of it. Numbers are compared by letters and digits, without zeros in front
-- (`number_key`).
-- `is_newest`: the latest of its contract and month, which bills what no other invoice of theirs does.
WITH issued AS (
    SELECT
        *,
        CASE source WHEN 'imported' THEN 1 WHEN 'InvoiceInfo' THEN 2 ELSE 3 END AS source_rank,
        nullif(ltrim(upper(regexp_replace(invoice_number, '[^A-Za-z0-9]', '', 'g')), '0'), '') AS number_key
    FROM raw_invoices
    WHERE
        source <> 'InvoiceCalculate'
        AND coalesce(status, '') <> 'Pending'
        AND (source = 'imported' OR coalesce(status, '') <> 'Canceled')
),
strongest AS (
    SELECT *
    FROM issued
    QUALIFY source_rank = min(source_rank) OVER (
        PARTITION BY coalesce(number_key, concat('number ', invoice_number), concat('InvoiceID ', invoice_id))
    )
)
SELECT
    contract_id,
    reporting_month,
    source,
    invoice_id,
    invoice_number,
    number_key,
    invoice_date,
    date_due,
    terms,
    po_number,
    currency,
    total_amount,
    tax_amount,
    row_number() OVER (
        PARTITION BY contract_id, reporting_month
        ORDER BY invoice_date DESC NULLS LAST, invoice_id DESC, source_rank
    ) = 1 AS is_newest
FROM strongest
WHERE coalesce(status, '') <> 'Canceled'
