-- One row per key of the month that is counted: its quantity beside the median of the twelve months before, and their median deviation.
-- kept as: scratch
-- `is_judged`: six months of history or more; a shorter one is too short to tell anything. The quantity has no price in it, so a change of
-- rates is no change of use. `usual`: that median, or the median of the latest three of these months where it is higher: use that grows by a
-- tenth a month is twice its median of a year. Before a third of the month is over it is what was used so far: one busy day makes no busy month.
WITH current_use AS (
    SELECT
        network_id,
        mailbox_id,
        account_report,
        measure_field,
        contract_id,
        CASE WHEN is_growing AND days_known * 3 < days THEN actual_to_date ELSE quantity END AS quantity,
        is_kept,
        amount
    FROM accrual_projections
    WHERE kind = 'count' AND base_method IN ('recalculated line', 'recalculated line to date', 'statistics to date')
),
earlier AS (
    SELECT use.network_id, use.mailbox_id, use.account_report, use.measure_field, history.place, history.actual
    FROM current_use AS use
    INNER JOIN accrual_history AS history
        ON history.network_id = use.network_id
        AND history.mailbox_id = use.mailbox_id
        AND history.account_report = use.account_report
        AND history.measure_field = use.measure_field
        AND history.place BETWEEN -12 AND -1
),
medians AS (
    SELECT
        network_id, mailbox_id, account_report, measure_field, count(*) AS months,
        quantile_disc(actual, 0.5::DECIMAL(2, 1)) AS median,
        quantile_disc(actual, 0.5::DECIMAL(2, 1)) FILTER (WHERE recency <= 3) AS recent_median
    FROM (
        SELECT *, row_number() OVER (PARTITION BY network_id, mailbox_id, account_report, measure_field ORDER BY place DESC) AS recency
        FROM earlier
    )
    GROUP BY network_id, mailbox_id, account_report, measure_field
),
deviations AS (
    SELECT
        network_id, mailbox_id, account_report, measure_field, any_value(medians.months) AS months, any_value(medians.median) AS median,
        any_value(greatest(medians.median, medians.recent_median)) AS usual,
        quantile_disc(abs(earlier.actual - medians.median), 0.5::DECIMAL(2, 1)) AS deviation
    FROM earlier
    INNER JOIN medians USING (network_id, mailbox_id, account_report, measure_field)
    GROUP BY network_id, mailbox_id, account_report, measure_field
)
SELECT
    use.*,
    coalesce(deviations.months, 0) AS months,
    coalesce(deviations.months >= 6, false) AS is_judged,
    deviations.median,
    deviations.usual,
    deviations.deviation
FROM current_use AS use
LEFT JOIN deviations USING (network_id, mailbox_id, account_report, measure_field)
