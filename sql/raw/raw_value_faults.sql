-- One row per value of a response that does not fit its type: it is null in its own row, or its key has a fault.
SELECT *
FROM lake_value_faults
