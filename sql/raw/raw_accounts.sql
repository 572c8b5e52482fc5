-- One row per account and month, from the account lists of that month's run.
SELECT *
FROM lake_accounts
