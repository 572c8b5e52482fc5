-- One row per amount of an issued invoice, by account and measure: a share of its lines, or what is disputed by a finding.
-- kept as: view
-- `invoice_amount` is what the invoice asks, `cost_amount` what of it our lines and findings explain. An invoice without lines of its own
-- bills the lines of its contract. What no line bills has no account.
WITH amounts AS (
    SELECT
        contract_id,
        reporting_month,
        source,
        invoice_id,
        network_id,
        mailbox_id,
        account_report,
        measure_field,
        invoice_amount,
        recalculated_amount + CASE WHEN is_explained THEN difference ELSE 0 END AS cost_amount,
        0 AS disputed_amount
    FROM core_invoice_shares
    UNION ALL
    SELECT
        lines.contract_id,
        lines.reporting_month,
        issued.source,
        issued.invoice_id,
        lines.network_id,
        lines.mailbox_id,
        lines.account_report,
        lines.measure_field,
        lines.amount,
        lines.amount,
        0
    FROM out_line_items AS lines
    INNER JOIN core_issued_invoices AS issued USING (contract_id, reporting_month)
    ANTI JOIN core_invoice_shares USING (contract_id, reporting_month)
    WHERE issued.is_newest
    UNION ALL
    SELECT
        contract_id,
        reporting_month,
        invoice_source,
        invoice_id,
        network_id,
        mailbox_id,
        account_report,
        measure_field,
        0,
        0,
        disputed_amount
    FROM out_finding_amounts
    WHERE disputed_amount <> 0
)
SELECT amounts.*, issued.invoice_number
FROM amounts
INNER JOIN core_issued_invoices AS issued USING (contract_id, reporting_month, source, invoice_id)
