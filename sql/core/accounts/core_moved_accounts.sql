-- One row per account with lines of more than one price list.
-- kept as: scratch
SELECT network_id, mailbox_id
FROM core_billed_accounts
GROUP BY network_id, mailbox_id
HAVING min(least_price_list_id) <> max(price_list_id)
