-- One row per line, with its number in its month, in key order: derived rows refer to a line by one number.
-- kept as: view
SELECT
    row_number() OVER (
        PARTITION BY lines.reporting_month
        ORDER BY lines.network_id, lines.mailbox_id, lines.account_report, lines.measure_field
    )::INTEGER AS line_no,
    lines.*
FROM core_line_items AS lines
