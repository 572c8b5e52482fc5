-- One row per key of the month that is counted: its quantity beside the median of the twelve months before, and their median deviation.
-- kept as: scratch
-- `months` below six: too short a history to tell anything. The quantity has no price in it, so a change of rates is no change of use.
WITH current_use AS (
    SELECT network_id, mailbox_id, account_report, measure_field, contract_id, quantity, is_kept, amount
    FROM accrual_projections
    WHERE kind = 'count' AND base_method IN ('recalculated line', 'recalculated line to date', 'statistics to date')
),
earlier AS (
    SELECT use.network_id, use.mailbox_id, use.account_report, use.measure_field, history.actual
    FROM current_use AS use
    INNER JOIN accrual_history AS history
        ON history.network_id = use.network_id
        AND history.mailbox_id = use.mailbox_id
        AND history.account_report = use.account_report
        AND history.measure_field = use.measure_field
        AND history.place BETWEEN -12 AND -1
),
medians AS (
    SELECT network_id, mailbox_id, account_report, measure_field, count(*) AS months, quantile_disc(actual, 0.5::DECIMAL(2, 1)) AS median
    FROM earlier
    GROUP BY network_id, mailbox_id, account_report, measure_field
),
deviations AS (
    SELECT
        network_id, mailbox_id, account_report, measure_field, any_value(medians.months) AS months, any_value(medians.median) AS median,
        quantile_disc(abs(earlier.actual - medians.median), 0.5::DECIMAL(2, 1)) AS deviation
    FROM earlier
    INNER JOIN medians USING (network_id, mailbox_id, account_report, measure_field)
    GROUP BY network_id, mailbox_id, account_report, measure_field
)
SELECT
    use.*,
    coalesce(deviations.months, 0) AS months,
    deviations.median,
    deviations.deviation
FROM current_use AS use
LEFT JOIN deviations USING (network_id, mailbox_id, account_report, measure_field)
