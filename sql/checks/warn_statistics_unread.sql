-- One row per month with statistics of usage in a shape that is not understood: each report and table, and its columns.
-- title: Statistics are not understood
-- No quantity is compared with them. The responses are kept whole in raw_monthly_reports.
SELECT
    NULL::INTEGER AS network_id,
    NULL::INTEGER AS mailbox_id,
    reporting_month,
    NULL::VARCHAR AS account_report,
    NULL::VARCHAR AS measure_field,
    NULL::INTEGER AS price_list_id,
    NULL::VARCHAR AS invoice_number,
    NULL::DECIMAL(28, 10) AS billed_amount,
    NULL::DECIMAL(28, 10) AS expected_amount,
    NULL::DECIMAL(28, 10) AS difference,
    concat(
        'Statistics of usage came in a shape that is not understood, so no quantity is compared with them: ',
        string_agg(DISTINCT concat(source, ', table ', table_name, ', has ', unread_columns), '; ' ORDER BY concat(source, ', table ', table_name, ', has ', unread_columns)),
        '. Add the columns to data/reference/usage_columns.csv.'
    ) AS explanation
FROM core_statistics
WHERE unread_columns IS NOT NULL
GROUP BY reporting_month
