-- One row per measure that has lines, of all partitions.
SELECT measure_field, bool_or(has_fractions) AS has_fractions
FROM core_fractions
GROUP BY measure_field
