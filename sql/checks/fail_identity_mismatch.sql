-- One row per line whose response is for another account, report or measure than its request.
-- per: cell
-- parts: rows
-- title: Line belongs to another account
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
        'The request was for account ', odd.network_id, '-', odd.mailbox_id, ', ', odd.account_report, ' ', odd.measure_field,
        '; the response is for ',
        CASE
            WHEN odd.is_of_other_account THEN concat(
                lower(odd.system_object), ' ', coalesce(odd.system_id::VARCHAR, 'without a number'),
                CASE WHEN odd.system_name IS NULL THEN '' ELSE ' (' || odd.system_name || ')' END
            )
            ELSE concat(odd.schedule_account_report, ' ', odd.schedule_measure)
        END,
        ': do not post the ', money_text(odd.amount), ' until the vendor confirms the account.'
    ) AS explanation
FROM core_line_mismatches AS odd
WHERE odd.is_of_other_account OR odd.is_of_other_measure
