-- One row per account that a contract names, and month of the run that read it.
SELECT
    reporting_month,
    contract_id,
    network_id,
    mailbox_id,
    account_name
FROM lake_contract_accounts
