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
            'Credited ', money_text(-billed_amount), ' for ', units_text(-actual, unit), ': reverses the line of ',
            strftime(reversed_month, '%Y-%m'), '.'
        )
        WHEN billed_amount > 0 THEN concat(
            'Charged ', money_text(billed_amount), ' for ', units_text(actual, unit), ', as the quantity that is left costs more by price list ',
            price_list_id, ' than the one before: a correction of an earlier bill. Ask the vendor which one.'
        )
        ELSE concat(
            'Credited ', money_text(-billed_amount), ' for ', units_text(-actual, unit),
            ' at rates of price list ', price_list_id, ': a correction of an earlier bill. Ask the vendor which one.'
        )
    END AS explanation
FROM core_corrections
