-- One row per rate ladder that is tried, volume, quantity and interpretation: a case to rate.
-- kept as: scratch
SELECT
    row_number() OVER (ORDER BY quantities.set_no, quantities.volume, quantities.quantity, open.reading_no) AS case_id,
    quantities.set_no,
    quantities.volume,
    quantities.quantity AS asked_quantity,
    open.reading_no,
    open.is_chosen,
    readings.ladder_id,
    readings.case_reading_id || '.' || open.rounding || open.scale AS reading_id,
    case_quantity(quantities.quantity, readings.lone_bounds, sets.allowance, sets.first_minimum, sets.first_maximum) AS quantity,
    case_allowance(readings.allowance_rule, readings.lone_bounds, sets.allowance) AS allowance
FROM simulation_quantities AS quantities
INNER JOIN simulation_sets AS sets USING (set_no)
INNER JOIN simulation_open_readings AS open ON open.set_no = quantities.set_no
INNER JOIN simulation_set_readings AS readings ON readings.set_no = open.set_no AND readings.reading_no = open.reading_no
