-- One row per line of the correct amount with the wrong sign, of a negative quantity, which no interpretation prices, or of an amount below
-- 0 that no rate gives.
-- title: Wrong sign
-- Corrections of an earlier bill (core_corrections) are excluded.
SELECT
    faults.network_id,
    faults.mailbox_id,
    faults.reporting_month,
    faults.account_report,
    faults.measure_field,
    faults.price_list_id,
    faults.billed_amount,
    faults.expected_amount,
    faults.difference,
    CASE
        WHEN faults.expected_amount IS NULL AND faults.actual > 0 THEN concat(
            'A charge is credited: billed ', money_text(faults.billed_amount), ' for ', grouped_text(faults.quantity_billed), ' billed; no rate of price list ',
            faults.price_list_id, ' is below 0, so no interpretation gives a credit. If it corrects an earlier bill, ask the vendor which one.'
        )
        WHEN faults.expected_amount IS NULL THEN concat(
            'Billed ', money_text(faults.billed_amount), ' for ', units_text(faults.actual, faults.unit),
            ' measured: a negative quantity has no price, so the amount is unverified. If it corrects an earlier bill, ask the vendor which one.'
        )
        ELSE concat(
            CASE WHEN faults.expected_amount < 0 THEN 'A credit is charged' ELSE 'A charge is credited' END, ': billed ',
            money_text(faults.billed_amount), '; price list ', faults.price_list_id, ' gives ',
            money_text(faults.expected_amount), ': ', too_much_text(faults.difference), '.'
        )
    END || doubt_text(faults.doubt) AS explanation,
    -- a credit for a quantity below 0 may well be right
    faults.doubt IS NOT NULL OR (faults.expected_amount IS NULL AND faults.billed_amount < 0 AND faults.actual <= 0) AS is_doubtful,
    CASE
        WHEN faults.doubt = 'few_lines_fit' THEN undecided_cause(faults.price_list_id, faults.account_report, faults.measure_field)
    END AS cause
FROM core_line_faults AS faults
ANTI JOIN core_corrections USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
WHERE faults.fault = 'sign_mismatch'
