-- One row per line: the billed amounts, the expected amounts, and the verdict (core_judged_lines).
-- kept as: view
SELECT * EXCLUDE (line_date, system_id, system_name, extra, pulled_at, response_sha256, is_aggregated)
FROM core_judged_lines
