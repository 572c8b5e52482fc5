-- One row per price list of the month's lines (variable `month`): their number. The manifest of an export has them.
-- kept as: scratch view
SELECT price_list_id, price_list_description, count(*) AS lines
FROM out_finance_lines
WHERE reporting_month = getvariable('month')::DATE
GROUP BY price_list_id, price_list_description
