-- One row per month with lines that is over: what a simulation of the whole history covers.
-- kept as: scratch
SELECT DISTINCT reporting_month
FROM core_line_terms
ANTI JOIN core_provisional_months USING (reporting_month)
WHERE reporting_month IS NOT NULL
