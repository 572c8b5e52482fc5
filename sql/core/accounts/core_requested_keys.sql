-- One row per key requested: the outcome, and whether the run of its month was limited.
-- kept as: view
-- The only source of what was requested. No check judges a key that is not here. In a limited month (ECGRID_ACCOUNTS) no check judges
-- what is billed to accounts that are not here. is_unread: the response is a line with a value that does not fit its type, so its amount
-- is unknown.
SELECT
    calls.network_id,
    calls.mailbox_id,
    calls.reporting_month,
    calls.account_report,
    calls.measure_field,
    calls.outcome,
    calls.fault_code,
    calls.fault_message,
    coalesce(calls.outcome = 'fault' AND calls.fault_code IN ('value_out_of_range', 'missing_element'), false) AS is_unread,
    limited.reporting_month IS NOT NULL AS is_limited
FROM raw_calls AS calls
LEFT JOIN core_limited_runs AS limited USING (reporting_month)
