-- One row per quantity to rate by a previous rate ladder (core_repriced_lines) and its interpretation.
SELECT
    row_number() OVER (ORDER BY moved.set_no, moved.actual) AS case_id,
    moved.set_no,
    moved.actual,
    readings.ladder_id,
    readings.case_reading_id || '.' || roundings.rounding || roundings.scale AS reading_id,
    case_quantity(moved.actual, readings.lone_bounds, sets.allowance, sets.first_minimum, sets.first_maximum) AS quantity,
    case_allowance(readings.allowance_rule, readings.lone_bounds, sets.allowance) AS allowance
FROM (SELECT DISTINCT previous_set_no AS set_no, actual FROM core_repriced_lines) AS moved
INNER JOIN core_chosen_readings AS chosen USING (set_no)
INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
INNER JOIN core_sets AS sets USING (set_no)
INNER JOIN core_reading_roundings AS roundings USING (set_no, reading_no)
WHERE chosen.verdict <> 'none_fits'
