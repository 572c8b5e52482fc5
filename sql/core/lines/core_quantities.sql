-- One row per rate ladder and measured quantity: its number of lines.
SELECT set_no, actual, count(*) AS lines
FROM core_lines
WHERE set_no IS NOT NULL
GROUP BY set_no, actual
