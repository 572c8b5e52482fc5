-- One row per line, narrow: its verdict (core_judged_lines), from the few lines that have another than `fits`.
-- kept as: view
-- core_line_results joins every rated quantity, even where few lines are wanted.
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    lines.terms_no,
    lines.set_no,
    lines.actual,
    lines.amount,
    CASE
        WHEN others.is_given AND aggregated.terms_no IS NULL THEN 'undecided'
        ELSE coalesce(suspects.verdict, 'fits')
    END AS verdict
FROM core_lines AS lines
LEFT JOIN core_suspect_lines AS suspects
    ON suspects.network_id = lines.network_id AND suspects.mailbox_id = lines.mailbox_id AND suspects.terms_no = lines.terms_no
LEFT JOIN core_other_outcomes AS others
    ON others.terms_no = lines.terms_no
    AND others.actual = lines.actual
    AND others.quantity = lines.quantity_billed
    AND others.amount = lines.amount
LEFT JOIN core_aggregated_lines AS aggregated
    ON aggregated.network_id = lines.network_id AND aggregated.mailbox_id = lines.mailbox_id AND aggregated.terms_no = lines.terms_no
