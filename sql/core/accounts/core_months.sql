-- One row per month that has lines.
SELECT DISTINCT reporting_month
FROM core_line_terms
