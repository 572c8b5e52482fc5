-- One row per line known on the day of the accrual, of the months before and of the month itself: quantity, amount, terms.
-- kept as: scratch
-- `place`: 0 the month, -1 the month before, and so on. A line of the month that was received later than the day is not known yet.
-- `is_final`: received after the month's end. Reads the variables month and as_of.
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    date_diff('month', getvariable('month')::DATE, lines.reporting_month)::INTEGER AS place,
    lines.account_report,
    lines.measure_field,
    lines.line_item_number,
    lines.terms_no,
    lines.price_list_id,
    lines.set_no,
    coalesce(measures.kind, 'count') AS kind,
    charge_part(coalesce(measures.kind, 'count'), lines.measure_field, line_terms.level) AS part,
    lines.actual,
    lines.amount,
    lines.is_taxable,
    lines.verdict,
    items.pulled_at::TIMESTAMP AS received_at,
    items.pulled_at >= lines.reporting_month + INTERVAL 1 MONTH AS is_final
FROM core_line_results AS lines
INNER JOIN core_line_facts AS items
    ON items.network_id = lines.network_id AND items.mailbox_id = lines.mailbox_id AND items.terms_no = lines.terms_no
LEFT JOIN core_line_terms AS line_terms ON line_terms.terms_no = lines.terms_no
LEFT JOIN reference_measures AS measures ON measures.measure_field = lines.measure_field
WHERE lines.reporting_month <= getvariable('month')::DATE
    AND (lines.reporting_month < getvariable('month')::DATE OR items.pulled_at::DATE <= getvariable('as_of')::DATE)
