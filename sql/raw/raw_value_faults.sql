-- One row per value of a response that does not fit its type: it is null in its own row, or its key has a fault.
SELECT
    reporting_month,
    feed,
    operation,
    asked,
    record,
    element,
    value_text,
    reason,
    api_version,
    pulled_at,
    response_sha256
FROM lake_value_faults
