-- One row per line whose quantity differs from another source of the account's usage by more than the tolerance.
-- per: cell
-- parts: rows
-- title: Usage differs from the service's own statistics
-- If the monthly report contradicts a To or From line, that line explains why To and From do not add up to the Total: no second row.
WITH to_and_from AS (
    SELECT DISTINCT network_id, mailbox_id, reporting_month, account_report, right(measure_field, 3) AS unit
    FROM out_usage_tieout
    WHERE source = 'ReportMonthly' AND NOT is_tied AND measure_field NOT LIKE 'Total%'
)
SELECT
    usage.network_id,
    usage.mailbox_id,
    usage.reporting_month,
    usage.account_report,
    usage.measure_field,
    usage.price_list_id,
    NULL::VARCHAR AS invoice_number,
    results.amount AS billed_amount,
    NULL::DECIMAL(28, 10) AS expected_amount,
    NULL::DECIMAL(28, 10) AS difference,
    concat(
        plain_text(usage.actual), ' measured on the line, but ',
        CASE
            WHEN usage.source = 'lines' THEN concat('the account''s To and From lines add up to ', plain_text(usage.stated_quantity))
            ELSE concat('the monthly report has ', plain_text(usage.stated_quantity))
        END,
        ': ', plain_text(abs(usage.difference)), CASE WHEN usage.difference > 0 THEN ' more' ELSE ' less' END,
        CASE WHEN usage.tolerance > 0 THEN concat(' (rounding explains at most ', plain_text(usage.tolerance), ')') ELSE '' END,
        '. The line bills ', money_text(results.amount),
        CASE WHEN results.verdict = 'fits' THEN ', correct for its own quantity' ELSE '' END, '. Ask the vendor which count is correct.'
    ) AS explanation
FROM out_usage_tieout AS usage
INNER JOIN core_line_results AS results USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
-- a line of another account has that account's usage
ANTI JOIN core_line_mismatches AS odd
    ON odd.network_id = usage.network_id
    AND odd.mailbox_id = usage.mailbox_id
    AND odd.reporting_month = usage.reporting_month
    AND odd.account_report = usage.account_report
    AND odd.measure_field = usage.measure_field
    AND (odd.is_of_other_account OR odd.is_of_other_measure)
ANTI JOIN to_and_from AS cause
    ON usage.source = 'lines'
    AND cause.network_id = usage.network_id
    AND cause.mailbox_id = usage.mailbox_id
    AND cause.reporting_month = usage.reporting_month
    AND cause.account_report = usage.account_report
    AND cause.unit = right(usage.measure_field, 3)
WHERE NOT usage.is_tied
QUALIFY row_number() OVER (
    PARTITION BY usage.network_id, usage.mailbox_id, usage.reporting_month, usage.account_report, usage.measure_field
    ORDER BY usage.source
) = 1
