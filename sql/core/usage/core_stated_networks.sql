-- One row per network, month, account report (null: all traffic) and unit of measures, of which one response states all mailboxes by name: which
-- report, and for how many accounts.
-- An account without a row there has no traffic by that report, for a period without activity has no row (facts 2.2).
SELECT
    network_id,
    reporting_month,
    account_report,
    CASE WHEN unit = 'count' THEN 'Trans' ELSE 'KCs' END AS measure_unit,
    min_by(source, source_rank) AS source,
    count(DISTINCT mailbox_id) AS accounts
FROM core_statistics
WHERE statistic IS NOT NULL AND coalesce(asked_mailbox_id, -1) < 0
GROUP BY ALL
