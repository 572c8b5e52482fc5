-- One row per heading of the lines of all partitions.
SELECT * EXCLUDE (lines), sum(lines)::BIGINT AS lines
FROM core_seen_headings
GROUP BY ALL
