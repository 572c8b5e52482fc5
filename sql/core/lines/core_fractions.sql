-- One row per measure with lines: whether any of them, of any price list, shows a fraction of a unit.
SELECT line_terms.measure_field, bool_or(part_of_block(abs(lines.actual), 1) <> 0) AS has_fractions
FROM core_line_facts AS lines
INNER JOIN core_line_terms AS line_terms USING (terms_no)
GROUP BY line_terms.measure_field
