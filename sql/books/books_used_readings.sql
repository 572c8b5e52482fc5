-- One row per candidate interpretation (out_readings) of each price list with a line in the month (variable `month`).
-- kept as: scratch view
SELECT readings.*
FROM out_readings AS readings
SEMI JOIN (
    SELECT price_list_id
    FROM out_finance_lines
    WHERE reporting_month = getvariable('month')::DATE
) AS used
    ON readings.price_list_id = used.price_list_id
