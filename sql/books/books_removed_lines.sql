-- One row per posted line that the warehouse no longer has with the same values (variable `month`).
-- kept as: scratch view
-- Compared are the key, the price list, the contract, quantity, amounts and the tax flag; names and the interpretation may change without
-- a correction.
WITH present AS (
    SELECT *
    FROM out_finance_lines
    WHERE reporting_month = getvariable('month')::DATE
)
SELECT kept.*
FROM books_posted_lines AS kept
ANTI JOIN present
    ON
        kept.network_id IS NOT DISTINCT FROM present.network_id
        AND kept.mailbox_id IS NOT DISTINCT FROM present.mailbox_id
        AND kept.reporting_month IS NOT DISTINCT FROM present.reporting_month
        AND kept.account_report IS NOT DISTINCT FROM present.account_report
        AND kept.measure_field IS NOT DISTINCT FROM present.measure_field
        AND kept.price_list_id IS NOT DISTINCT FROM present.price_list_id
        AND kept.contract_id IS NOT DISTINCT FROM present.contract_id
        AND kept.quantity_billed IS NOT DISTINCT FROM present.quantity_billed
        AND kept.billed_amount IS NOT DISTINCT FROM present.billed_amount
        AND kept.expected_amount IS NOT DISTINCT FROM present.expected_amount
        AND kept.is_taxable IS NOT DISTINCT FROM present.is_taxable
