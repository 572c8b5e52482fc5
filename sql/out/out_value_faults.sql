-- One row per value of a kept answer that does not fit its type, for the report.
-- kept as: view
-- What depends on such a value is not known.
SELECT
    reporting_month,
    feed,
    operation,
    asked,
    record,
    element,
    value_text,
    reason,
    pulled_at,
    response_sha256
FROM raw_value_faults
