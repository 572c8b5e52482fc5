-- One row per line whose response is for another account, report or measure than its request.
-- title: Line belongs to another account
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    lines.price_list_id,
    lines.amount AS billed_amount,
    concat(
        'The request was for account ', lines.network_id, '-', lines.mailbox_id, ', ', lines.account_report, ' ', lines.measure_field,
        '; the response is for ',
        CASE
            WHEN lines.is_of_other_account THEN concat(
                lower(lines.system_object), ' ', coalesce(lines.system_id::VARCHAR, 'without a number'),
                ' (' || lines.system_name || ')'
            )
            ELSE concat(lines.schedule_account_report, ' ', lines.schedule_measure)
        END,
        ': do not post the ', money_text(lines.amount), ' until the vendor confirms the account.'
    ) AS explanation
FROM core_line_mismatches AS lines
WHERE lines.is_of_other_account OR lines.is_of_other_measure
