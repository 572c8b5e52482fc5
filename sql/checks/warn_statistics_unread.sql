-- One row per month with statistics of usage in a shape that is not understood: each report and table, and its columns.
-- title: Statistics are not understood
-- No quantity is compared with them. The responses are kept whole in raw_monthly_reports.
SELECT
    reporting_month,
    concat(
        'Statistics of usage came in a shape that is not understood, so no quantity is compared with them: ',
        string_agg(DISTINCT concat(source, ', table ', table_name, ', has ', unread_columns), '; ' ORDER BY concat(source, ', table ', table_name, ', has ', unread_columns)),
        '. Add the columns to data/reference/usage_columns.csv.'
    ) AS explanation
FROM core_statistics
WHERE unread_columns IS NOT NULL
GROUP BY reporting_month
