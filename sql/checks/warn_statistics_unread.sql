-- One row per month with statistics of usage that are not understood, or not whole: each report and table, its columns, and values in quotes.
-- title: Statistics are not understood
-- Nothing is compared with them. The responses are kept whole in raw_monthly_reports.
SELECT
    reporting_month,
    concat(
        'Statistics of usage are not understood, so nothing is compared with these columns and values: ',
        string_agg(DISTINCT concat(source, ', table ', table_name, ', has ', unread_columns), '; ' ORDER BY concat(source, ', table ', table_name, ', has ', unread_columns)),
        '. Add the columns, and words of direction, to data/reference/usage_columns.csv; ask the vendor about values that are no numbers.'
    ) AS explanation
FROM core_statistics
WHERE unread_columns IS NOT NULL
GROUP BY reporting_month
