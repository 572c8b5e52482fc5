-- One row per slice of a proof, with the number of its line in the month (core_numbered_lines).
-- kept as: view
SELECT lines.line_no, proofs.*
FROM out_line_proofs AS proofs
INNER JOIN core_numbered_lines AS lines USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
