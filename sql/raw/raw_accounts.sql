-- One row per account and month, from the account lists of that month's run.
SELECT
    reporting_month,
    network_id,
    mailbox_id,
    account_name,
    status,
    price_list_id,
    contract_id,
    sources
FROM lake_accounts
