-- One row per account and month with lines: the name that they give it, and its price list.
-- per: cell
-- parts: rows
SELECT
    lines.network_id,
    lines.mailbox_id,
    headings.reporting_month,
    -- an answer may name another account (identity_mismatch): only its own name counts
    max(lines.system_name) FILTER (
        WHERE lines.system_id = CASE WHEN lines.mailbox_id = 0 THEN lines.network_id ELSE lines.mailbox_id END
    ) AS account_name,
    max(headings.price_list_id) AS price_list_id
FROM core_headed_lines AS lines
INNER JOIN core_line_headings AS headings USING (heading_no)
GROUP BY ALL
