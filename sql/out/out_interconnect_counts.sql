-- One row per row of an InterconnectCount answer; the answer's own columns follow as text, by the names it gave them.
-- kept as: view
SELECT
    reporting_month,
    asked_network_id,
    asked_mailbox_id,
    asked,
    table_name,
    row_number,
    pulled_at,
    columns(* EXCLUDE (reporting_month, asked_network_id, asked_mailbox_id, asked, table_name, row_number, pulled_at))::VARCHAR
FROM raw_interconnect_counts
