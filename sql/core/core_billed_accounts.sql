-- One row per account and month with lines: the name that they give it, and its price list.
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    -- an answer may name another account (identity_mismatch): only its own name counts
    max(system_name) FILTER (
        WHERE system_id = CASE WHEN mailbox_id = 0 THEN network_id ELSE mailbox_id END
    ) AS account_name,
    max(price_list_id) AS price_list_id
FROM raw_line_items
GROUP BY network_id, mailbox_id, reporting_month
