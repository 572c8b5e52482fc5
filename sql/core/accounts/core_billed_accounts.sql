-- One row per account and month with lines: the account name on them, its price list (the lowest and the highest), and their sum.
-- kept as: scratch
SELECT
    lines.network_id,
    lines.mailbox_id,
    line_terms.reporting_month,
    -- an answer may name another account (identity_mismatch): only its own name counts
    max(lines.system_name) FILTER (
        WHERE lines.system_id = CASE WHEN lines.mailbox_id = 0 THEN lines.network_id ELSE lines.mailbox_id END
    ) AS account_name,
    min(line_terms.price_list_id) AS least_price_list_id,
    max(line_terms.price_list_id) AS price_list_id,
    sum(lines.amount) AS amount
FROM core_line_facts AS lines
INNER JOIN core_line_terms AS line_terms USING (terms_no)
GROUP BY ALL
