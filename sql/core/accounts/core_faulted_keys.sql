-- One row per key whose latest response is a fault and that has no line: what is billed for it, if anything, is unknown.
-- A later fault does not replace an earlier line.
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
