-- One row per measure that has lines: whether any of them, of whatever price list, ever showed a part of a unit.
SELECT measure_field, bool_or(part_of_block(abs(actual), 1) <> 0) AS has_fractions
FROM raw_line_items
GROUP BY measure_field
