-- One row per line of a quantity below 0 that corrects an earlier bill: the month of the line that it reverses, if there is one.
-- It reverses the latest earlier line, or line of its month, of its account, report and measure with the same quantity and amount and the
-- opposite sign. Without one (`reversed_month` is null) it is a correction if its amount is its quantity at a rate of its price list, or if it
-- may cross tiers: 150 corrected to 50. Where slices are priced, the amount is then between those at the lowest and the highest rate; where the
-- whole quantity is priced by the tier reached, it is what two quantities of two tiers differ by, which are that far apart: it may be a
-- charge, for less may cost more. A difference of two rounded amounts may differ by a cent from the amount rounded once.
WITH negatives AS (
    SELECT *
    FROM core_line_faults
    WHERE error LIKE 'negative\_quantity%' ESCAPE '\' AND actual < 0
),
reversed AS (
    SELECT
        negatives.network_id,
        negatives.mailbox_id,
        negatives.reporting_month,
        negatives.account_report,
        negatives.measure_field,
        max(earlier.reporting_month) AS reversed_month
    FROM negatives
    INNER JOIN core_lines AS earlier
        ON earlier.network_id = negatives.network_id
        AND earlier.mailbox_id = negatives.mailbox_id
        AND earlier.account_report = negatives.account_report
        AND earlier.measure_field = negatives.measure_field
        AND earlier.reporting_month < negatives.reporting_month
        AND earlier.actual = -negatives.actual
        AND earlier.amount = -negatives.billed_amount
    GROUP BY ALL
),
credits AS (
    SELECT
        negatives.network_id,
        negatives.mailbox_id,
        negatives.reporting_month,
        negatives.account_report,
        negatives.measure_field,
        -negatives.billed_amount AS credited,
        -- tied candidates of an undecided interpretation may price by slices or by the tier reached
        readings.model = 'graduated' OR chosen.verdict = 'undecided' AS is_by_slices,
        readings.model = 'volume' OR chosen.verdict = 'undecided' AS is_by_tier_reached,
        negatives.set_no,
        tiers.tier,
        readings.rate_per,
        -negatives.quantity_billed * CASE WHEN readings.billed_in = 'blocks' AND tiers.block > 0 THEN tiers.block ELSE 1 END AS units,
        roundings.unit AS tolerance,
        try(line_amount(
            cost_at_rate(-negatives.quantity_billed, readings.billed_in, readings.rate_per, tiers.block, tiers.rate),
            roundings.rounding, roundings.unit, roundings.half
        )) AS at_rate
    FROM negatives
    INNER JOIN core_set_tiers AS tiers USING (set_no)
    INNER JOIN core_chosen_readings AS chosen USING (set_no)
    INNER JOIN core_set_readings AS readings ON readings.set_no = chosen.set_no AND readings.reading_no = chosen.reading_no
    INNER JOIN core_reading_roundings AS rounded ON rounded.set_no = chosen.set_no AND rounded.reading_no = chosen.reading_no
    INNER JOIN core_roundings AS roundings USING (rounding_no)
),
ends AS (
    SELECT set_no, tier, coalesce(lag(maximum) OVER ladder, 0) AS lowest, CASE WHEN maximum > 0 THEN maximum END AS highest, block, rate
    FROM core_set_tiers
    WINDOW ladder AS (PARTITION BY set_no ORDER BY tier)
),
crossings AS (
    -- the least and the most quantity of a higher tier that is lowered into each lower tier
    SELECT
        credits.network_id,
        credits.mailbox_id,
        credits.reporting_month,
        credits.account_report,
        credits.measure_field,
        credits.credited,
        credits.tolerance,
        list_transform(
            [greatest(above.lowest, below.lowest + credits.units), least(above.highest, below.highest + credits.units)],
            lambda quantity: cost_at_rate(quantity, 'units', credits.rate_per, above.block, above.rate)
            - cost_at_rate(quantity - credits.units, 'units', credits.rate_per, below.block, below.rate)
        ) AS amounts
    FROM credits
    INNER JOIN ends AS above ON above.set_no = credits.set_no AND above.tier = credits.tier
    INNER JOIN ends AS below ON below.set_no = credits.set_no AND below.tier < credits.tier
    WHERE credits.is_by_tier_reached
        AND greatest(above.lowest, below.lowest + credits.units) <= least(above.highest, below.highest + credits.units)
),
at_rates AS (
    SELECT network_id, mailbox_id, reporting_month, account_report, measure_field
    FROM credits
    GROUP BY ALL
    HAVING bool_or(abs(credited - at_rate) <= tolerance)
        OR bool_or(is_by_slices AND at_rate <= credited) AND bool_or(is_by_slices AND at_rate >= credited)
    UNION
    SELECT network_id, mailbox_id, reporting_month, account_report, measure_field
    FROM crossings
    WHERE credited BETWEEN list_min(amounts) - tolerance AND list_max(amounts) + tolerance
)
SELECT
    negatives.network_id,
    negatives.mailbox_id,
    negatives.reporting_month,
    negatives.account_report,
    negatives.measure_field,
    negatives.price_list_id,
    negatives.actual,
    negatives.billed_amount,
    negatives.unit,
    reversed.reversed_month
FROM negatives
LEFT JOIN reversed USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
LEFT JOIN at_rates USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
WHERE reversed.reversed_month IS NOT NULL OR at_rates.network_id IS NOT NULL
