-- One row per line whose date is outside the month that it bills.
-- title: Line is dated outside the month
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    lines.price_list_id,
    lines.amount AS billed_amount,
    concat(
        'The ', strftime(lines.reporting_month, '%Y-%m'), ' line of ', money_text(lines.amount), ' is dated ',
        strftime(lines.line_date, '%Y-%m-%d'), ': check which month to post it in, and that no other month also bills it.'
    ) AS explanation
FROM core_line_mismatches AS lines
WHERE lines.is_outside_month
