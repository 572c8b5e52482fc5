-- One row per key that has no line though its account may be charged for it: a missing line, or a call that ended in a fault.
-- `amount` is what the invoice bills for it, null where nobody says.
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
