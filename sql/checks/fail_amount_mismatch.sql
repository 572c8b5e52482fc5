-- One row per line whose quantity is right and whose amount no rule of its reading gives.
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
        'Billed ', money_text(faults.billed_amount), ' for ', plain_text(faults.actual), ' ', faults.unit,
        's measured: price list ', faults.price_list_id, ' gives ', money_text(faults.expected_amount), ', so ',
        too_much_text(faults.difference), '. No rate or rule of the list gives the billed amount: ask for a correction.'
    ) AS explanation
FROM core_line_faults AS faults
WHERE faults.fault = 'amount_mismatch'
