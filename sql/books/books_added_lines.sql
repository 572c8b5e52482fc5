-- One row per line of the month (variable `month`) that is not posted with the same values; compared as in books_removed_lines.
-- kept as: scratch view
WITH present AS (
    SELECT *
    FROM out_finance_lines
    WHERE reporting_month = getvariable('month')::DATE
)
SELECT present.*
FROM present
ANTI JOIN books_posted_lines AS kept
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
