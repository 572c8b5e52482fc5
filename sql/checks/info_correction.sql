-- One row per line that reverses an earlier one, or credits a quantity at rates of its price list.
-- title: Correction of an earlier bill
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    price_list_id,
    billed_amount,
    CASE
        WHEN reversed_month IS NOT NULL THEN concat(
            'Credited ', money_text(-billed_amount), ' for ', grouped_text(-actual), ' ', unit, 's: reverses the line of ',
            strftime(reversed_month, '%Y-%m'), '.'
        )
        ELSE concat(
            'Credited ', money_text(-billed_amount), ' for ', grouped_text(-actual), ' ', unit,
            's at rates of price list ', price_list_id, ': a correction of an earlier bill. Ask the vendor which one.'
        )
    END AS explanation
FROM core_corrections
