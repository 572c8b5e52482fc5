-- One row per schedule set and quantity measured, of all partitions: on how many lines.
SELECT set_no, actual, sum(lines)::BIGINT AS lines
FROM core_quantities
GROUP BY set_no, actual
