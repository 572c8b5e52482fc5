-- One row per schedule set whose reading the user pinned against its lines, of all partitions.
SELECT set_no, sum(difference) AS difference
FROM core_pinned_differences
GROUP BY set_no
