-- One row per credit: a line with an amount below 0, or a line of an invoice below 0 that no line of ours bills.
-- kept as: view
-- `document` numbers a credit among those of all months, in a stable order. `is_note`: the invoice as a whole is below 0, a credit note.
WITH lines AS (
    SELECT
        network_id, mailbox_id, reporting_month, account_report, measure_field, contract_id,
        -amount AS amount
    FROM out_line_items
    WHERE amount < 0
),
invoiced AS (
    SELECT
        invoice_lines.network_id,
        invoice_lines.mailbox_id,
        invoice_lines.reporting_month,
        invoice_lines.account_report,
        invoice_lines.measure_field,
        invoice_lines.contract_id,
        issued.invoice_number,
        issued.total_amount < 0 AS is_note,
        invoice_lines.line_description,
        -invoice_lines.amount AS amount
    FROM core_invoice_lines AS invoice_lines
    INNER JOIN core_issued_invoices AS issued USING (contract_id, reporting_month, source, invoice_id)
    ANTI JOIN lines USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
    WHERE invoice_lines.amount < 0
),
-- a credit note of which the total alone is known
totals AS (
    SELECT
        issued.reporting_month,
        issued.contract_id,
        issued.invoice_number,
        true AS is_note,
        -issued.total_amount AS amount
    FROM core_issued_invoices AS issued
    ANTI JOIN core_invoice_lines USING (contract_id, reporting_month, source, invoice_id)
    WHERE issued.total_amount < 0
),
credits AS (
    SELECT *, false AS is_note FROM lines
    UNION ALL BY NAME
    SELECT * FROM invoiced
    UNION ALL BY NAME
    SELECT * FROM totals
)
SELECT
    row_number() OVER (
        ORDER BY
            reporting_month, contract_id, invoice_number, network_id, mailbox_id, account_report, measure_field,
            line_description, amount
    ) AS document,
    *
FROM credits
