-- One row per line that another invoice than the newest of its contract and month bills: that invoice.
-- A line that several invoices bill is that of the first of them, as in core_invoice_matches.
SELECT
    matches.network_id,
    matches.mailbox_id,
    matches.reporting_month,
    matches.account_report,
    matches.measure_field,
    matches.contract_id,
    matches.source,
    matches.invoice_id,
    issued.invoice_number,
    matches.amount
FROM core_invoice_matches AS matches
INNER JOIN core_issued_invoices AS issued USING (contract_id, reporting_month, source, invoice_id)
WHERE matches.amount IS NOT NULL AND NOT issued.is_newest
