-- One row per invoice whose total is not the sum of its own lines or, if it has none, of the lines calculated for its contract.
-- title: Invoice total is not the sum of its lines
-- No row where an amount is unreadable or the run was limited (the difference is null), nor where the total equals the calculated lines:
-- then lines of the invoice are wrong and have findings. A credit note without lines has no row: invoice_only_charge reports it.
-- billed_amount: total of the invoice
-- expected_amount: sum of its lines
SELECT
    reporting_month,
    invoice_number,
    total_amount AS billed_amount,
    try_cast(lines_amount AS DECIMAL(28, 10)) AS expected_amount,
    try_cast(total_difference AS DECIMAL(28, 10)) AS difference,
    concat(
        'Invoice ', coalesce(invoice_number, invoice_id::VARCHAR), ' of contract ', contract_id, ' totals ', money_text(total_amount),
        CASE
            WHEN lines = 0 AND lines_amount <> 0
                THEN ' and has no lines; the lines calculated for the contract, less its other invoices, add up to '
            WHEN lines = 1 THEN '; its 1 line is '
            ELSE '; its ' || lines || ' lines add up to '
        END,
        money_text(lines_amount), ': ', too_much_text(total_difference), '.'
    ) AS explanation
FROM out_invoice_tieout
WHERE
    total_difference <> 0
    AND NOT (total_amount < 0 AND lines = 0)
    AND NOT (total_amount IS NOT DISTINCT FROM billed_amount AND cause <> '')
