-- One row per rate ladder that is tried, volume and quantity of the lines that it prices.
-- kept as: scratch
SELECT DISTINCT
    terms.simulated_set_no AS set_no,
    quantities.volume,
    quantities.quantity
FROM simulation_lines AS lines
INNER JOIN simulation_terms AS terms USING (set_no, reporting_month)
INNER JOIN simulation_line_quantities AS quantities USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
WHERE lines.is_in_scope AND terms.source <> 'unpriced'
