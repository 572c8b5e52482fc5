-- One row per billed line: key (account, month, account report, measure), what was billed and what it should have cost.
-- kept as: view
-- The first fifteen columns are a promise to the ledgers that load finance_lines.csv: add at the end only.
-- The last three columns are not in that file; FOCUS has what they state for each charge.
-- reading: reading that prices the line, as words joined by dots; null where none fits
-- reading_words: the same as a sentence
-- line_date: LineDate of the line, as sent
-- invoice_number: number of the invoice that bills it, else of the newest of its contract and month; null before an invoice
-- currency: currency that the newest invoice of its contract and month states, ISO 4217; null: the API states none
-- verdict: fits, differs, undecided (some of the tied readings, or another rounding, give the amount) or not_provable
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.account_name,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    lines.price_list_id,
    lines.price_list_description,
    lines.reading_id AS reading,
    lines.quantity_billed,
    lines.amount AS billed_amount,
    lines.expected_amount,
    lines.difference,
    lines.verdict,
    lines.is_taxable,
    lines.contract_id,
    lines.line_item_number,
    lines.system_object,
    lines.system_id,
    lines.system_name,
    lines.level,
    lines.level_name,
    lines.model,
    lines.schedule_id,
    lines.schedule_rate,
    lines.schedule_block,
    lines.actual,
    lines.expected_quantity_billed,
    lines.response_sha256,
    lines.reading_words,
    lines.line_date,
    coalesce(others.invoice_number, invoices.invoice_number) AS invoice_number,
    invoices.currency
FROM out_line_items AS lines
LEFT JOIN core_line_invoices AS others USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
LEFT JOIN out_contract_invoices AS invoices
    ON invoices.contract_id = lines.contract_id AND invoices.reporting_month = lines.reporting_month
