-- One row per key requested: the outcome of the call.
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    outcome,
    fault_code,
    fault_message,
    attempts,
    latency_ms,
    called_at
FROM lake_calls
