-- One row per rate ladder that was accrued by and quantity billed in the month: a case to rate, by the ladder's interpretation.
-- kept as: scratch
WITH wanted AS (
    SELECT DISTINCT sets.set_no, lines.actual
    FROM accrual_booked AS booked
    INNER JOIN core_sets AS sets ON sets.schedule_set_id = regexp_extract(booked.source, 'terms ([^;]+)', 1)
    INNER JOIN core_line_results AS lines
        ON lines.network_id = booked.network_id
        AND lines.mailbox_id = booked.mailbox_id
        AND lines.account_report = booked.account_report
        AND lines.measure_field = booked.measure_field
        AND lines.reporting_month = getvariable('month')::DATE
)
SELECT
    row_number() OVER (ORDER BY wanted.set_no, wanted.actual) AS case_id,
    wanted.set_no,
    wanted.actual,
    readings.ladder_id,
    readings.case_reading_id || '.' || roundings.rounding || roundings.scale AS reading_id,
    case_quantity(wanted.actual, readings.lone_bounds, sets.allowance, sets.first_minimum, sets.first_maximum) AS quantity,
    case_allowance(readings.allowance_rule, readings.lone_bounds, sets.allowance) AS allowance
FROM wanted
INNER JOIN core_chosen_readings AS chosen USING (set_no)
INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
INNER JOIN core_sets AS sets USING (set_no)
INNER JOIN core_reading_roundings AS roundings USING (set_no, reading_no)
WHERE chosen.verdict <> 'none_fits'
