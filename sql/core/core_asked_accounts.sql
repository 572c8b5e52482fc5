-- One row per account and month of which the service was asked any key.
SELECT DISTINCT network_id, mailbox_id, reporting_month
FROM core_asked_keys
