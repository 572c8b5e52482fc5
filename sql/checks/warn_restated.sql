-- One row per line that was answered otherwise before, and per invoice of which a changed file was imported.
-- title: Amount changed after the fact
-- The answer or file before the last counts. An invoice that was canceled asks nothing.
-- billed_amount: amount of the line now, null where it is gone; of an invoice its total
-- expected_amount: amount, or total, before
SELECT *
FROM core_restated_lines
UNION ALL
SELECT
    NULL::INTEGER AS network_id,
    NULL::INTEGER AS mailbox_id,
    invoices.reporting_month,
    NULL::VARCHAR AS account_report,
    NULL::VARCHAR AS measure_field,
    NULL::INTEGER AS price_list_id,
    invoices.invoice_number,
    CASE WHEN invoices.status = 'Canceled' THEN 0 ELSE invoices.total_amount END AS billed_amount,
    invoices.previous_total_amount AS expected_amount,
    CASE WHEN invoices.status = 'Canceled' THEN 0 ELSE invoices.total_amount END - invoices.previous_total_amount AS difference,
    concat(
        'Invoice ', invoices.invoice_number, ' of contract ', invoices.contract_id, ' was imported again on ',
        strftime(invoices.pulled_at, '%Y-%m-%d'), ': ',
        CASE
            WHEN invoices.status = 'Canceled' THEN concat('it is canceled, and asked ', money_text(invoices.previous_total_amount), ' before.')
            WHEN invoices.total_amount = invoices.previous_total_amount
                THEN concat('the total of ', money_text(invoices.total_amount), ' is the same, its lines or terms are not.')
            ELSE concat(
                'it asked ', money_text(invoices.previous_total_amount), ', and asks ', money_text(invoices.total_amount),
                ': correct what was booked by ', money_text(invoices.total_amount - invoices.previous_total_amount), '.'
            )
        END
    ) AS explanation
FROM raw_invoices AS invoices
WHERE invoices.previous_response_sha256 IS NOT NULL
