-- One row per network, account report, measure and candidate meter: how many lines it is tried on, and how many it explains.
-- The telling lines of all candidates of a measure add up to their number: a line counts with the first of its candidates.
-- `signature` differs where two candidates do not explain the same lines, or give different whole numbers on another line. `counter_example` is a telling line that another candidate
-- explains and this one does not.
SELECT
    network_id,
    account_report,
    measure_field,
    statistic,
    unit,
    direction,
    clock,
    min(place) AS place,
    count(*) AS lines,
    count(*) FILTER (WHERE is_clock_telling) AS clock_telling_lines,
    count(*) FILTER (WHERE is_telling AND is_first) AS telling_lines,
    count(*) FILTER (WHERE is_explained) AS lines_explained,
    count(*) FILTER (WHERE is_explained AND is_telling) AS telling_lines_explained,
    sum(
        (hash(mailbox_id, reporting_month, CASE WHEN is_explained THEN actual ELSE round(quantity, 0) END) % 1000000000000)::BIGINT
    )::BIGINT AS signature,
    min(
        concat(
            'account ', network_id, '-', mailbox_id, ', ', strftime(reporting_month, '%Y-%m'), ': ', grouped_text(actual), ' measured; this gives ',
            grouped_text(quantity)
        )
    ) FILTER (WHERE is_telling AND NOT is_explained AND is_explained_by_any) AS counter_example
FROM core_meter_trials
GROUP BY ALL
