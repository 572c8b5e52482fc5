-- One row per account of a contract and month, as read by that month's run.
SELECT *
FROM lake_contract_accounts
