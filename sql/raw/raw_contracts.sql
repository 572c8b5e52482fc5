-- One row per contract and month, as read by that month's run.
SELECT *
FROM lake_contracts
