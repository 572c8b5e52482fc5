-- One row per account of a contract and month, as read by that month's run.
SELECT
    reporting_month,
    contract_id,
    network_id,
    mailbox_id,
    account_name
FROM lake_contract_accounts
