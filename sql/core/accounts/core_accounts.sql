-- One row per account: its latest name, contract and price list, from the account lists; if they lack it, from its lines.
WITH listed AS (
    SELECT
        network_id,
        mailbox_id,
        arg_max(account_name, reporting_month) FILTER (WHERE account_name IS NOT NULL) AS account_name,
        arg_max(contract_id, reporting_month) FILTER (WHERE contract_id > 0) AS contract_id,
        arg_max(price_list_id, reporting_month) FILTER (WHERE price_list_id > 0) AS price_list_id
    FROM raw_accounts
    GROUP BY network_id, mailbox_id
),
contracted AS (
    -- a contract names a network by mailbox 0; its mailboxes then follow it unless a contract names them
    SELECT network_id, mailbox_id, arg_max(contract_id, (reporting_month, contract_id)) AS contract_id
    FROM raw_contract_accounts
    GROUP BY network_id, mailbox_id
),
billed AS (
    SELECT
        network_id,
        mailbox_id,
        arg_max(account_name, reporting_month) FILTER (WHERE account_name IS NOT NULL) AS account_name,
        arg_max(price_list_id, reporting_month) FILTER (WHERE price_list_id IS NOT NULL) AS price_list_id
    FROM core_billed_accounts
    GROUP BY network_id, mailbox_id
),
accounts AS (
    SELECT network_id, mailbox_id FROM listed
    UNION
    SELECT network_id, mailbox_id FROM billed
)
SELECT
    network_id,
    mailbox_id,
    coalesce(listed.account_name, billed.account_name) AS account_name,
    coalesce(listed.contract_id, own.contract_id, root.contract_id) AS contract_id,
    coalesce(listed.price_list_id, billed.price_list_id) AS price_list_id
FROM accounts
LEFT JOIN listed USING (network_id, mailbox_id)
LEFT JOIN billed USING (network_id, mailbox_id)
LEFT JOIN contracted AS own USING (network_id, mailbox_id)
LEFT JOIN contracted AS root ON root.network_id = accounts.network_id AND root.mailbox_id = 0
ORDER BY network_id, mailbox_id
