-- One row per account and month in which the lists gave the account another contract or price list than its latest (core_accounts).
-- What was billed under the former contract stays there: a renewed contract takes over no invoice of the previous one.
WITH listed AS (
    SELECT
        former.network_id,
        former.mailbox_id,
        former.reporting_month,
        coalesce(nullif(former.contract_id, 0), accounts.contract_id) AS contract_id,
        coalesce(nullif(former.price_list_id, 0), accounts.price_list_id) AS price_list_id,
        accounts.contract_id AS latest_contract_id,
        accounts.price_list_id AS latest_price_list_id
    FROM raw_accounts AS former
    INNER JOIN core_accounts AS accounts USING (network_id, mailbox_id)
)
SELECT network_id, mailbox_id, reporting_month, contract_id, price_list_id
FROM listed
WHERE (contract_id, price_list_id) IS DISTINCT FROM (latest_contract_id, latest_price_list_id)
ORDER BY network_id, mailbox_id, reporting_month
