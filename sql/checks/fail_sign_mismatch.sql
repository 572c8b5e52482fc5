-- One row per line of the right amount with the wrong sign.
SELECT
    faults.network_id,
    faults.mailbox_id,
    faults.reporting_month,
    faults.account_report,
    faults.measure_field,
    faults.price_list_id,
    NULL::VARCHAR AS invoice_number,
    faults.billed_amount,
    faults.expected_amount,
    faults.difference,
    concat(
        CASE WHEN faults.expected_amount < 0 THEN 'A credit is charged' ELSE 'A charge is credited' END, ': billed ',
        money_text(faults.billed_amount), ' where price list ', faults.price_list_id, ' gives ',
        money_text(faults.expected_amount), ': ', too_much_text(faults.difference), '.'
    ) AS explanation
FROM core_line_faults AS faults
WHERE faults.fault = 'sign_mismatch'
