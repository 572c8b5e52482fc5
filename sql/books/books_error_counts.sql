-- One row per month in which the service answered: how many open findings of severity error it has.
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
