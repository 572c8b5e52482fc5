-- One row per invoice that is to be paid, from the strongest source that has it: imported, InvoiceInfo, InvoiceList.
-- kept as: view
-- InvoiceCalculate and a Pending invoice are trials, and a Canceled invoice is not to be paid: they have no row. A credit note has a
-- negative total. Operations with the same invoice number have the same invoice, whatever month and contract they state. A file counts in
-- place of the API's invoice of its number and contract, in any month, and cancels it if it is itself canceled; the API's invoice of
-- another contract counts beside it. Numbers are compared by letters and digits, without leading zeros (`number_key`).
-- An imported invoice whose number the API does not have is taken for one of the API's of the same contract, month and total, which
-- then has no row (an inference, which `invoice_duplicate` asks about): `api_number` is the number of that one.
-- is_newest: the latest of its contract and month; it bears what no other invoice of theirs bills.
WITH issued AS (
    SELECT
        *,
        source = 'imported' AS is_file,
        CASE source WHEN 'imported' THEN 1 WHEN 'InvoiceInfo' THEN 2 ELSE 3 END AS source_rank,
        nullif(ltrim(upper(regexp_replace(invoice_number, '[^A-Za-z0-9]', '', 'g')), '0'), '') AS number_key
    FROM raw_invoices
    WHERE
        source <> 'InvoiceCalculate'
        AND coalesce(status, '') <> 'Pending'
        AND (source = 'imported' OR coalesce(status, '') <> 'Canceled')
),
strongest AS (
    SELECT *, bool_and(is_file) OVER of_number AS is_of_files
    FROM issued
    WINDOW
        of_number AS (PARTITION BY coalesce(number_key, concat('number ', invoice_number), concat('InvoiceID ', invoice_id))),
        of_contract AS (
            PARTITION BY coalesce(number_key, concat('number ', invoice_number), concat('InvoiceID ', invoice_id)), contract_id
        )
    QUALIFY
        is_file
        OR (source_rank = min(source_rank) FILTER (NOT is_file) OVER of_number AND NOT bool_or(is_file) OVER of_contract)
),
alike AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY contract_id, reporting_month, total_amount, is_file ORDER BY invoice_date NULLS FIRST, invoice_id
        ) AS place
    FROM strongest
    WHERE total_amount <> 0 AND coalesce(status, '') <> 'Canceled' AND (is_of_files OR NOT is_file)
),
pairs AS (
    SELECT
        contract_id,
        reporting_month,
        files.invoice_id AS file_id,
        others.source,
        others.invoice_id,
        coalesce(others.invoice_number, concat('InvoiceID ', others.invoice_id)) AS api_number
    FROM alike AS files
    INNER JOIN alike AS others USING (contract_id, reporting_month, total_amount, place)
    WHERE files.is_file AND NOT others.is_file
)
SELECT
    strongest.contract_id,
    strongest.reporting_month,
    strongest.source,
    strongest.invoice_id,
    strongest.invoice_number,
    strongest.number_key,
    others.api_number,
    strongest.invoice_date,
    strongest.date_due,
    strongest.terms,
    strongest.po_number,
    strongest.currency,
    strongest.total_amount,
    strongest.tax_amount,
    row_number() OVER (
        PARTITION BY strongest.contract_id, strongest.reporting_month
        ORDER BY strongest.invoice_date DESC NULLS LAST, strongest.invoice_id DESC, strongest.source_rank
    ) = 1 AS is_newest
FROM strongest
ANTI JOIN pairs USING (contract_id, reporting_month, source, invoice_id)
LEFT JOIN pairs AS others
    ON strongest.is_file
    AND others.file_id = strongest.invoice_id
    AND others.contract_id = strongest.contract_id
    AND others.reporting_month = strongest.reporting_month
WHERE coalesce(strongest.status, '') <> 'Canceled'
