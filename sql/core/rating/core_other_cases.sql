-- One row per rate ladder, quantity on its lines and interpretation that rates them but does not prove them (core_used_readings).
-- kept as: view
SELECT
    struct_pack(
        set_no := quantities.set_no, actual := quantities.actual, role := used.role, rated_set_no := used.rated_set_no,
        reading_no := used.reading_no, billed_in := used.billed_in
    ) AS case_id,
    used.ladder_id,
    used.reading_id,
    case_quantity(quantities.actual, used.lone_bounds, used.allowance, used.first_minimum, used.first_maximum) AS quantity,
    used.rated_allowance AS allowance
FROM core_quantities AS quantities
INNER JOIN core_used_readings AS used ON used.set_no = quantities.set_no AND used.role <> 'chosen'
