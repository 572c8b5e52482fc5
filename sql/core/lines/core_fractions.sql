-- One row per measure that has lines: whether any of them, of whatever price list, ever showed a part of a unit.
-- per: cell
-- parts: bool_or(has_fractions)
SELECT line_terms.measure_field, bool_or(part_of_block(abs(lines.actual), 1) <> 0) AS has_fractions
FROM core_line_facts AS lines
INNER JOIN core_line_terms AS line_terms USING (terms_no)
GROUP BY line_terms.measure_field
