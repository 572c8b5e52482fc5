-- One row per contract, account and month: what its lines add up to.
-- kept as: view
-- billed_amount = expected_amount + difference + unproved_amount, exactly; all four are sums of lines, never rounded.
-- billed_amount: sum of the amounts billed
-- expected_amount: sum of what the lines should cost, over the lines that can be proved
-- difference: sum of amount billed less expected, over the lines that can be proved: above 0 is billed too much
-- unproved_amount: sum of the amounts billed on lines that nothing proves
-- taxable_amount: sum of the amounts billed on taxable lines
-- lines_that_differ: number of lines whose amount is not the expected one
-- lines_unproved: number of lines that nothing proves
SELECT
    lines.contract_id,
    lines.network_id,
    lines.mailbox_id,
    lines.account_name,
    lines.reporting_month,
    invoices.invoice_number,
    count(*) AS lines,
    sum(lines.amount)::DECIMAL(38, 10) AS billed_amount,
    coalesce(sum(lines.expected_amount), 0)::DECIMAL(38, 10) AS expected_amount,
    coalesce(sum(lines.amount - lines.expected_amount), 0)::DECIMAL(38, 10) AS difference,
    coalesce(sum(lines.amount) FILTER (WHERE lines.expected_amount IS NULL), 0)::DECIMAL(38, 10) AS unproved_amount,
    coalesce(sum(lines.amount) FILTER (WHERE lines.is_taxable), 0)::DECIMAL(38, 10) AS taxable_amount,
    count(*) FILTER (WHERE lines.amount <> lines.expected_amount) AS lines_that_differ,
    count(*) FILTER (WHERE lines.expected_amount IS NULL) AS lines_unproved
FROM out_line_items AS lines
LEFT JOIN out_contract_invoices AS invoices USING (contract_id, reporting_month)
GROUP BY
    lines.contract_id,
    lines.network_id,
    lines.mailbox_id,
    lines.account_name,
    lines.reporting_month,
    invoices.invoice_number
