-- One row per contract, network, month, account report, measure and tax flag: what is to be booked for it.
-- kept as: view
-- amount: sum of the amounts billed
SELECT
    lines.contract_id,
    lines.network_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    lines.is_taxable,
    invoices.invoice_number,
    count(*) AS lines,
    sum(lines.amount)::DECIMAL(38, 10) AS amount
FROM out_line_items AS lines
LEFT JOIN out_contract_invoices AS invoices USING (contract_id, reporting_month)
GROUP BY
    lines.contract_id,
    lines.network_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    lines.is_taxable,
    invoices.invoice_number
