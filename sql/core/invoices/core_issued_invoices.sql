-- One row per invoice that is to be paid, from the strongest source that has it: imported, InvoiceInfo, InvoiceList.
-- kept as: view
-- InvoiceCalculate and a Pending invoice are trials, and a Canceled invoice is not to be paid: they have no row. A credit note has a
-- negative total. Sources with the same invoice number have the same invoice, whatever month and contract they state; a file that cancels
-- an invoice also cancels what the API has of it. Numbers are compared by letters and digits, without leading zeros (`number_key`).
-- is_newest: the latest of its contract and month; it bears what no other invoice of theirs bills.
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
