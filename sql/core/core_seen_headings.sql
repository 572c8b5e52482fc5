-- One row per heading: what many lines have in common, the month, price list, report, measure and schedule that they show.
-- Some thousand headings stand over millions of lines: their texts are kept once, and compared once. What a line has to
-- itself is in core_headed_lines, which finds its heading by every column here.
SELECT
    * EXCLUDE (
        network_id, mailbox_id, line_item_number, line_date, system_id, system_name, actual, quantity_billed, is_taxable,
        amount, extra, pulled_at, response_sha256
    ),
    count(*) AS lines
FROM raw_line_items
GROUP BY ALL
