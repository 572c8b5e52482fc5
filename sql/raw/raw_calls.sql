-- One row per key requested: the outcome of the call.
SELECT *
FROM lake_calls
