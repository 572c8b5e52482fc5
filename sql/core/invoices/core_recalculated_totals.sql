-- One row per contract and month: the sum of its accounts' lines from InvoiceCalculateLineItem.
-- keys_faulted: number of keys of the contract whose response is a fault; if it is above 0, the sum may lack a line.
WITH keys AS (
    SELECT network_id, mailbox_id, reporting_month, amount, false AS is_faulted
    FROM core_billed_accounts
    UNION ALL
    SELECT network_id, mailbox_id, reporting_month, NULL, true
    FROM core_faulted_keys
)
SELECT
    coalesce(former.contract_id, accounts.contract_id) AS contract_id,
    keys.reporting_month,
    sum(keys.amount) AS amount,
    count(*) FILTER (WHERE keys.is_faulted) AS keys_faulted
FROM keys
INNER JOIN core_accounts AS accounts USING (network_id, mailbox_id)
LEFT JOIN core_former_accounts AS former USING (network_id, mailbox_id, reporting_month)
GROUP BY ALL
