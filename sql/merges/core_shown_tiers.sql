-- One row per schedule set billed slice by slice, of all partitions.
SELECT
    set_no,
    sum(lines) AS lines,
    sum(lines_showing_reached) AS lines_showing_reached,
    sum(lines_showing_first) AS lines_showing_first
FROM core_shown_tiers
GROUP BY set_no
