-- One row per key whose latest answer is a fault and which has no line: what is billed for it, if anything, is not known.
-- per: whole, read by account and month
-- An earlier line stays current when a later answer is a fault.
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    fault_code,
    fault_message,
    is_unread
FROM core_requested_keys
ANTI JOIN core_lines USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
WHERE outcome = 'fault'
