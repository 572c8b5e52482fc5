-- One row per measure that has lines: whether any of them, of whatever price list, ever showed a part of a unit.
-- per: cell
-- parts: bool_or(has_fractions)
SELECT headings.measure_field, bool_or(part_of_block(abs(lines.actual), 1) <> 0) AS has_fractions
FROM core_headed_lines AS lines
INNER JOIN core_line_headings AS headings USING (heading_no)
GROUP BY headings.measure_field
