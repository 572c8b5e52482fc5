-- One row per key without a line that its account may be charged for: a missing line, or a call that ended in a fault.
-- `amount` is the amount that the invoice bills for it; null if unknown.
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    invoice_amount AS amount
FROM core_missing_lines
UNION ALL
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    NULL
FROM core_faulted_keys
ANTI JOIN core_missing_lines USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
