-- One row per value of a kept answer that does not fit its type, for the report.
-- kept as: view
-- Columns: operation and asked (the call, as NAME=VALUE), record and element (where in the answer), value_text (null
-- where it is absent), reason (why it does not fit). What depends on such a value is not known.
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
