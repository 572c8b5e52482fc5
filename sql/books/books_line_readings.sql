-- One row per price list, report, measure and interpretation of the month's lines (variable `month`): their number.
-- kept as: scratch view
SELECT price_list_id, account_report, measure_field, reading, count(*) AS lines
FROM out_finance_lines
WHERE reporting_month = getvariable('month')::DATE
GROUP BY price_list_id, account_report, measure_field, reading
