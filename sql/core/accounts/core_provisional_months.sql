-- One row per month without a response from after its end: its figures are not final, and no finding of it is an error.
SELECT reporting_month
FROM raw_calls
GROUP BY reporting_month
HAVING max(called_at) < reporting_month + INTERVAL 1 MONTH
