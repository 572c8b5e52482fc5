-- One row per schedule set, quantity measured, quantity billed and amount among the lines tried: how many lines say so.
-- The first of them by month and account stands for all as a counter-example. Lines that are billed with their network
-- (core_aggregated_lines) are no evidence.
SELECT
    row_number() OVER (ORDER BY set_no, actual, quantity_billed, amount) AS trial_no,
    *
FROM (
    SELECT
        set_no,
        actual,
        any_value(quantities.is_screened) AS is_screened,
        any_value(quantities.quantity_no) AS quantity_no,
        quantity_billed,
        amount,
        count(*) AS lines,
        min(row(reporting_month, network_id, mailbox_id)) AS first_line
    FROM core_lines
    INNER JOIN core_trial_quantities AS quantities USING (set_no, actual)
    ANTI JOIN core_aggregated_lines USING (network_id, mailbox_id, heading_no)
    GROUP BY set_no, actual, quantity_billed, amount
)
