-- One row per line, narrow: its verdict (core_judged_lines), from the few lines that have another than `fits`.
-- kept as: view
-- The view of all lines joins each quantity that was rated before it is known which lines are wanted.
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
    CASE WHEN others.is_given THEN 'undecided' ELSE coalesce(suspects.verdict, 'fits') END AS verdict
FROM core_lines AS lines
LEFT JOIN core_suspect_lines AS suspects
    ON suspects.network_id = lines.network_id AND suspects.mailbox_id = lines.mailbox_id AND suspects.terms_no = lines.terms_no
LEFT JOIN core_other_outcomes AS others
    ON others.terms_no = lines.terms_no
    AND others.actual = lines.actual
    AND others.quantity = lines.quantity_billed
    AND others.amount = lines.amount
