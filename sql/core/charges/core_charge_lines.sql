-- One row per line that charges something: the line, its number in its month, and what kind of charge it is (FOCUS ChargeCategory).
-- kept as: view
-- `billed_on` is its InvoiceId in FOCUS where that is not of the newest invoice of its contract and month.
-- A Subtotal of amount 0 charges nothing. Negative amounts are credits, whatever was measured.
SELECT
    lines.*,
    CASE
        WHEN others.invoice_id IS NOT NULL THEN focus_invoice(others.invoice_number, others.contract_id, others.reporting_month)
    END AS billed_on,
    CASE
        WHEN lines.amount < 0 OR (lines.amount = 0 AND lines.measure_field IN ('Credit', 'CreditPercentage'))
            THEN 'Credit'
        WHEN measures.kind IN ('minimum', 'percentage', 'subtotal') OR lines.measure_field = 'Credit'
            THEN 'Adjustment'
        WHEN measures.kind = 'fee' OR lines.measure_field = 'CurrentMailboxes' OR lines.level = 'OneTime'
            THEN 'Purchase'
        ELSE 'Usage'
    END AS category
FROM core_numbered_lines AS lines
LEFT JOIN core_line_invoices AS others USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
LEFT JOIN reference_measures AS measures ON measures.measure_field = lines.measure_field
WHERE lines.measure_field <> 'Subtotal' OR lines.amount <> 0
