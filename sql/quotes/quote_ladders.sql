-- One row per distinct tiers of quote_records: a ladder, numbered by its first line.
SELECT
    tiers,
    min(line_no) AS ladder_id
FROM quote_records
GROUP BY tiers
