-- One row per account and month of the run that listed it.
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
