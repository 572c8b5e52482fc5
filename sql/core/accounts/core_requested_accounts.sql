-- One row per account and month for which at least one key was requested.
-- per: whole, read by account and month
SELECT DISTINCT network_id, mailbox_id, reporting_month
FROM core_requested_keys
