-- One row per invoice and source that has it: what it asks, and whether it counts.
-- invoice_number: number of the invoice; null for a trial
-- source: imported, or the operation that returned it: InvoiceInfo, InvoiceList or InvoiceCalculate
-- status: InvoiceStatus as sent; Sent or Canceled for a file
-- counts_as: invoice, trial (Pending or InvoiceCalculate), canceled, or replaced: a stronger source has the invoice
-- invoice_date: date of the invoice
-- due_date: date by which the invoice asks to be paid
-- payment_terms: terms of payment as the invoice states them
-- po_number: your purchase order, as the invoice states it
-- currency: currency that the invoice states, ISO 4217; null: the API states none
-- total_amount: total that the invoice asks, tax included; a credit note is negative
-- tax_amount: tax in the total, where a file states it
-- lines: number of lines that the invoice states
-- lines_amount: sum of these lines; null without lines, or where one cannot be read
-- lines_without_key: number of lines of a file that name no account or measure and may bill any line of the contract
-- codes_unmapped: product codes of each line whose measure invoice_lines.csv does not give, as JSON lists
-- pulled_at: time at which the file was imported or the response received
-- response_sha256: SHA-256 of the file or response
WITH stated AS (
    SELECT
        source, invoice_id, contract_id, reporting_month,
        count(*) AS lines,
        CASE WHEN count(*) = count(amount) THEN sum(amount) END AS lines_amount
    FROM raw_invoice_lines
    GROUP BY ALL
),
counted AS (
    SELECT
        source, invoice_id, contract_id, reporting_month,
        count(*) FILTER (WHERE is_unassigned) AS lines_without_key,
        string_agg(DISTINCT product_codes, ', ' ORDER BY product_codes) FILTER (WHERE measure_field IS NULL) AS codes_unmapped
    FROM core_invoice_lines
    WHERE source = 'imported'
    GROUP BY ALL
)
SELECT
    invoices.reporting_month,
    invoices.contract_id,
    invoices.invoice_number,
    invoices.source,
    invoices.status,
    CASE
        WHEN invoices.status = 'Canceled' THEN 'canceled'
        WHEN invoices.source = 'InvoiceCalculate' OR invoices.status = 'Pending' THEN 'trial'
        WHEN issued.source IS NULL THEN 'replaced'
        ELSE 'invoice'
    END AS counts_as,
    invoices.invoice_date,
    invoices.date_due AS due_date,
    invoices.terms AS payment_terms,
    invoices.po_number,
    invoices.currency,
    invoices.total_amount,
    invoices.tax_amount,
    coalesce(stated.lines, 0) AS lines,
    stated.lines_amount::DECIMAL(38, 10) AS lines_amount,
    coalesce(counted.lines_without_key, 0) AS lines_without_key,
    counted.codes_unmapped,
    invoices.pulled_at,
    invoices.response_sha256
FROM raw_invoices AS invoices
LEFT JOIN core_issued_invoices AS issued USING (source, invoice_id, contract_id, reporting_month)
LEFT JOIN stated USING (source, invoice_id, contract_id, reporting_month)
LEFT JOIN counted USING (source, invoice_id, contract_id, reporting_month)
