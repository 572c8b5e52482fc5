-- One row per key of the month that is counted: its quantity, what is usual for it in this month, and the most that is not unusual.
-- kept as: scratch
-- `is_judged`: six months of history or more; a shorter one is too short to tell anything. Quantities have no price in them, so a change of
-- rates is no change of use. Before a third of the month is over the quantity is what was used so far: one busy day makes no busy month.
-- `usual`: the middle of three: the mean of the latest two months, the median of the latest twelve, and the same month last year times the
-- median growth over a year of the latest three months; without a month of last year, the latest two. It is computed for each month of
-- history too. `usual_to`: usual times the cube of the ratio that eight of ten of these months kept to, about 2.1 times at least and 2.75
-- at most, but no less than the ratio of the month that was farthest above its own. `highest`: the highest month of the latest twelve.
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
months AS (
    SELECT network_id, mailbox_id, account_report, measure_field, 0 AS place, quantity
    FROM current_use
    UNION ALL
    SELECT history.network_id, history.mailbox_id, history.account_report, history.measure_field, history.place, max(history.actual)
    FROM accrual_history AS history
    SEMI JOIN current_use AS use
        ON use.network_id = history.network_id
        AND use.mailbox_id = history.mailbox_id
        AND use.account_report = history.account_report
        AND use.measure_field = history.measure_field
    WHERE history.place BETWEEN -36 AND -1
    GROUP BY history.network_id, history.mailbox_id, history.account_report, history.measure_field, history.place
),
grown AS (
    SELECT months.*, earlier.quantity AS year_before, quotient(months.quantity, earlier.quantity) AS growth
    FROM months
    LEFT JOIN months AS earlier
        ON earlier.network_id = months.network_id
        AND earlier.mailbox_id = months.mailbox_id
        AND earlier.account_report = months.account_report
        AND earlier.measure_field = months.measure_field
        AND earlier.place = months.place - 12
),
views AS (
    SELECT
        * EXCLUDE (growth),
        try_cast(sum(quantity) OVER two_months AS DECIMAL(28, 10)) AS latest_sum,
        count(*) OVER two_months AS latest_count,
        quantile_disc(quantity, 0.5::DECIMAL(2, 1)) OVER one_year AS median,
        quantile_disc(growth, 0.5::DECIMAL(2, 1)) OVER three_months AS growth
    FROM grown
    WINDOW
        two_months AS (PARTITION BY network_id, mailbox_id, account_report, measure_field ORDER BY place RANGE BETWEEN 2 PRECEDING AND 1 PRECEDING),
        three_months AS (PARTITION BY network_id, mailbox_id, account_report, measure_field ORDER BY place RANGE BETWEEN 3 PRECEDING AND 1 PRECEDING),
        one_year AS (PARTITION BY network_id, mailbox_id, account_report, measure_field ORDER BY place RANGE BETWEEN 12 PRECEDING AND 1 PRECEDING)
),
expected AS (
    SELECT
        * EXCLUDE (latest_sum, latest_count, year_before, growth),
        coalesce(quotient(latest_sum, latest_count), median) AS latest,
        try((year_before * growth)::DECIMAL(28, 10)) AS last_year
    FROM views
),
usual_uses AS (
    SELECT
        *,
        CASE
            WHEN last_year IS NULL THEN latest
            ELSE greatest(least(latest, median), least(greatest(latest, median), last_year))
        END::DECIMAL(28, 10) AS usual
    FROM expected
),
spreads AS (
    SELECT
        network_id,
        mailbox_id,
        account_report,
        measure_field,
        count(*) AS months,
        max(quantity) AS highest,
        max(quotient(quantity, usual)) AS highest_ratio,
        quantile_disc(greatest(quotient(quantity, usual), quotient(usual, quantity)), 0.8::DECIMAL(2, 1)) FILTER (
            WHERE quantity > 0 AND usual > 0
        ) AS spread
    FROM usual_uses
    WHERE place BETWEEN -12 AND -1
    GROUP BY network_id, mailbox_id, account_report, measure_field
),
bounded AS (
    -- cube roots of 2.1 and 2.75, rounded: 2.097 and 2.744
    SELECT *, least(greatest(coalesce(spread, 1.4), 1.28), 1.4)::DECIMAL(12, 10) AS ratio
    FROM spreads
)
SELECT
    use.*,
    coalesce(bounded.months, 0) AS months,
    coalesce(bounded.months >= 6, false) AS is_judged,
    usual_uses.usual,
    coalesce(
        try(
            (
                usual_uses.usual
                * greatest((bounded.ratio * bounded.ratio * bounded.ratio)::DECIMAL(12, 10)::DECIMAL(28, 10), bounded.highest_ratio)
            )::DECIMAL(28, 10)
        ),
        bounded.highest
    ) AS usual_to,
    bounded.highest
FROM current_use AS use
LEFT JOIN bounded USING (network_id, mailbox_id, account_report, measure_field)
LEFT JOIN usual_uses
    ON usual_uses.network_id = use.network_id
    AND usual_uses.mailbox_id = use.mailbox_id
    AND usual_uses.account_report = use.account_report
    AND usual_uses.measure_field = use.measure_field
    AND usual_uses.place = 0
