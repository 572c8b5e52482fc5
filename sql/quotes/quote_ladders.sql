-- One row per tiers of quote_records: the ladder that they make, numbered by the first line that has it.
SELECT
    tiers,
    min(line_no) AS ladder_id
FROM quote_records
GROUP BY tiers
