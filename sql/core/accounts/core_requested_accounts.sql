-- One row per account and month for which at least one key was requested.
SELECT DISTINCT network_id, mailbox_id, reporting_month
FROM core_requested_keys
