-- One row per month of which nothing was received after its end: what is known of it is not final, and no finding of it is an error.
SELECT reporting_month
FROM raw_calls
GROUP BY reporting_month
HAVING max(called_at) < reporting_month + INTERVAL 1 MONTH
