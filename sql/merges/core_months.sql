-- One row per month that has lines, of all partitions.
SELECT DISTINCT reporting_month
FROM core_months
