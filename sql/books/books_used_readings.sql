-- One row per interpretation of a price list that a line of the month (variable `month`) is priced by.
-- kept as: scratch view
SELECT readings.*
FROM out_readings AS readings
SEMI JOIN (
    SELECT price_list_id
    FROM out_finance_lines
    WHERE reporting_month = getvariable('month')::DATE
) AS used
    ON readings.price_list_id = used.price_list_id
