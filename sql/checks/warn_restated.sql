-- One row per line whose amount, quantity or tax flag differs from the previous response, and per invoice imported again with changes.
-- title: Line or invoice restated
-- Compared with the previous response or file. A canceled invoice has a total of 0.
-- billed_amount: current amount of the line (null: no longer returned), or total of the invoice
-- expected_amount: previous amount or total
SELECT *
FROM core_restated_lines
UNION ALL BY NAME
SELECT
    invoices.reporting_month,
    invoices.invoice_number,
    CASE WHEN invoices.status = 'Canceled' THEN 0 ELSE invoices.total_amount END AS billed_amount,
    invoices.previous_total_amount AS expected_amount,
    CASE WHEN invoices.status = 'Canceled' THEN 0 ELSE invoices.total_amount END - invoices.previous_total_amount AS difference,
    concat(
        'Invoice ', invoices.invoice_number, ' of contract ', invoices.contract_id, ' was imported again on ',
        strftime(invoices.pulled_at, '%Y-%m-%d'), ': ',
        CASE
            WHEN invoices.status = 'Canceled' THEN concat('it is now canceled; the previous total was ', money_text(invoices.previous_total_amount), '.')
            WHEN invoices.total_amount = invoices.previous_total_amount
                THEN concat('the file changed; the total of ', money_text(invoices.total_amount), ' did not.')
            ELSE concat(
                'the total changed from ', money_text(invoices.previous_total_amount), ' to ', money_text(invoices.total_amount),
                ': correct the posting by ', money_text(invoices.total_amount - invoices.previous_total_amount), '.'
            )
        END
    ) AS explanation
FROM raw_invoices AS invoices
WHERE invoices.previous_response_sha256 IS NOT NULL
