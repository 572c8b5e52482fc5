-- One row per line whose date is outside the month that it bills.
-- per: cell
-- parts: rows
-- title: Line is dated outside the month
SELECT
    odd.network_id,
    odd.mailbox_id,
    odd.reporting_month,
    odd.account_report,
    odd.measure_field,
    odd.price_list_id,
    NULL::VARCHAR AS invoice_number,
    odd.amount AS billed_amount,
    NULL::DECIMAL(28, 10) AS expected_amount,
    NULL::DECIMAL(28, 10) AS difference,
    concat(
        'The ', strftime(odd.reporting_month, '%Y-%m'), ' line of ', money_text(odd.amount), ' is dated ',
        strftime(odd.line_date, '%Y-%m-%d'), ': check which month to post it in, and that no other month also bills it.'
    ) AS explanation
FROM core_line_mismatches AS odd
WHERE odd.is_outside_month
