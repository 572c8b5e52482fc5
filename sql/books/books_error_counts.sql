-- One row per month with responses: its number of open findings of severity error.
-- kept as: scratch view
WITH months AS (
    SELECT DISTINCT reporting_month
    FROM raw_calls
)
SELECT
    months.reporting_month,
    count(open_errors.finding_id) AS open_errors
FROM months
LEFT JOIN books_open_errors AS open_errors USING (reporting_month)
GROUP BY months.reporting_month
