-- One row per rate ladder with an interpretation and quantity on its lines: the case that proves these lines.
-- kept as: view
-- `case_id` is the ladder and the quantity, so that a rated case leads back to its lines without a join.
SELECT
    struct_pack(set_no := quantities.set_no, actual := quantities.actual) AS case_id,
    used.ladder_id,
    used.reading_id,
    case_quantity(quantities.actual, used.lone_bounds, used.allowance, used.first_minimum, used.first_maximum) AS quantity,
    used.rated_allowance AS allowance
FROM core_quantities AS quantities
INNER JOIN core_used_readings AS used ON used.set_no = quantities.set_no AND used.role = 'chosen'
