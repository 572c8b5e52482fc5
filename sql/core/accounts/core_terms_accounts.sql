-- One row per account and month whose contract has its own terms in contract_terms.csv: the contract.
WITH contracts AS (
    SELECT DISTINCT terms_contract_id
    FROM core_contract_terms
    WHERE terms_contract_id > 0
),
named AS (
    -- a contract names a network by mailbox 0; its mailboxes then follow it unless a contract names them
    SELECT network_id, mailbox_id, reporting_month, max(contract_id) AS contract_id
    FROM raw_contract_accounts
    GROUP BY ALL
),
accounts AS (
    SELECT
        listed.network_id,
        listed.mailbox_id,
        listed.reporting_month,
        coalesce(nullif(listed.contract_id, 0), own.contract_id, root.contract_id) AS contract_id
    FROM raw_accounts AS listed
    LEFT JOIN named AS own USING (network_id, mailbox_id, reporting_month)
    LEFT JOIN named AS root
        ON root.network_id = listed.network_id AND root.mailbox_id = 0 AND root.reporting_month = listed.reporting_month
)
SELECT accounts.network_id, accounts.mailbox_id, accounts.reporting_month, max(contracts.terms_contract_id) AS terms_contract_id
FROM accounts
INNER JOIN contracts ON contracts.terms_contract_id = accounts.contract_id
GROUP BY ALL
