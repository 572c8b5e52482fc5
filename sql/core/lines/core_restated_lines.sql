-- One row per line whose amount, quantity or tax flag differs from the previous response, as a finding.
-- Responses received before the month's end are left out: they did not cover the whole month.
WITH earlier AS (
    SELECT *
    FROM raw_line_item_history
    WHERE pulled_at >= reporting_month + INTERVAL 1 MONTH
    QUALIFY row_number() OVER (
        PARTITION BY network_id, mailbox_id, reporting_month, account_report, measure_field
        ORDER BY superseded_at DESC, response_sha256
    ) = 1
)
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    earlier.price_list_id,
    NULL::VARCHAR AS invoice_number,
    lines.amount AS billed_amount,
    earlier.amount AS expected_amount,
    coalesce(lines.amount, 0) - earlier.amount AS difference,
    CASE
        WHEN lines.amount IS NULL THEN concat(
            'The line of ', money_text(earlier.amount), ' received on ', strftime(earlier.pulled_at, '%Y-%m-%d'),
            ' is no longer returned: reverse its posting.'
        )
        ELSE concat(
            'Received on ', strftime(earlier.pulled_at, '%Y-%m-%d'), ' with ', grouped_text(earlier.actual), ' measured and ',
            money_text(earlier.amount), ', now ', grouped_text(lines.actual), ' and ', money_text(lines.amount),
            CASE
                WHEN lines.amount <> earlier.amount THEN concat(': correct the posting by ', money_text(lines.amount - earlier.amount), '.')
                ELSE ': the amount is the same.'
            END
        )
    END AS explanation
FROM earlier
LEFT JOIN core_lines AS lines USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
WHERE (lines.amount, lines.actual, lines.quantity_billed, lines.is_taxable)
    IS DISTINCT FROM (earlier.amount, earlier.actual, earlier.quantity_billed, earlier.is_taxable)
