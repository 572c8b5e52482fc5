-- One row per account and month with lines of traffic whose statistics by day lack days that the month's own sum holds: which days, and how much.
-- Of several sums that show it, interchanges in and out.
SELECT
    usage.network_id,
    usage.mailbox_id,
    usage.reporting_month,
    usage.source,
    usage.statistic,
    usage.direction,
    usage.quantity,
    usage.lost_days,
    usage.lost_quantity
FROM core_usage AS usage
SEMI JOIN core_lines AS lines
    ON lines.network_id = usage.network_id
    AND lines.mailbox_id = usage.mailbox_id
    AND lines.reporting_month = usage.reporting_month
    AND lines.account_report LIKE 'Traffic%'
WHERE usage.lost_days IS NOT NULL AND usage.scope = 'all' AND usage.clock = 'server'
QUALIFY row_number() OVER (
    PARTITION BY usage.network_id, usage.mailbox_id, usage.reporting_month
    ORDER BY
        CASE usage.statistic WHEN 'interchanges' THEN 0 ELSE 1 END, CASE usage.direction WHEN 'both' THEN 0 ELSE 1 END, usage.statistic, usage.unit,
        usage.direction
) = 1
