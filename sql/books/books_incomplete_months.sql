-- One row per month with a key that was requested only before the month's end (UTC): it cannot be closed.
-- kept as: scratch view
-- early_lines: number of lines of accounts that are still listed; a run requests each of them again. is_early: no response of the month
-- is from after its end.
WITH calls AS (
    SELECT
        reporting_month,
        outcome = 'line' AND (network_id, mailbox_id, reporting_month) IN (
            SELECT (network_id, mailbox_id, reporting_month) FROM raw_accounts
        ) AS is_listed_line,
        called_at < reporting_month + INTERVAL 1 MONTH AS is_before_end
    FROM raw_calls
),
months AS (
    SELECT
        reporting_month,
        count(*) FILTER (WHERE is_listed_line AND is_before_end) AS early_lines,
        NOT coalesce(bool_or(NOT is_before_end), false) AS is_early
    FROM calls
    GROUP BY reporting_month
)
SELECT
    reporting_month,
    early_lines,
    is_early
FROM months
WHERE early_lines > 0 OR is_early
