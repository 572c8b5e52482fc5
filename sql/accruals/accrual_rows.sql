-- One row per key that is accrued: the method in words, the quantity and amount projected, the interval, and the source.
-- kept as: scratch
-- low and high are null where the account's history is too short for an interval, which the method states. An undecided interpretation, which
-- the method states too, widens the interval; without one, low and high are what the interpretations give for the projected quantity. A key
-- without a price has no amount, and `source` states why. Volume 5 is the usual quantity (accrual_quantities).
WITH amounts AS (
    SELECT
        network_id,
        mailbox_id,
        account_report,
        measure_field,
        any_value(read_amount) FILTER (WHERE volume = 100) AS amount,
        any_value(error) FILTER (WHERE volume = 100) AS error,
        min(least(read_amount, least_amount, most_amount)) AS low,
        max(greatest(read_amount, least_amount, most_amount)) AS high,
        min(least(read_amount, least_amount, most_amount)) FILTER (WHERE volume = 100) AS read_low,
        max(greatest(read_amount, least_amount, most_amount)) FILTER (WHERE volume = 100) AS read_high,
        count(*) FILTER (WHERE error IS NOT NULL) = 0 AS is_priced
    FROM simulation_results
    WHERE volume <> 5
    GROUP BY network_id, mailbox_id, account_report, measure_field
),
uncertain AS (
    -- accounts of which a charge has no interval: neither has a charge that counts it
    SELECT DISTINCT network_id, mailbox_id
    FROM accrual_projections
    WHERE kind = 'count' AND NOT is_kept AND low_quantity IS NULL
),
rows AS (
    SELECT
        projections.*,
        sets.schedule_set_id,
        CASE WHEN projections.is_kept THEN projections.amount ELSE amounts.amount END AS projected_amount,
        CASE WHEN projections.is_kept THEN NULL ELSE amounts.error END AS error,
        projections.is_kept
        OR projections.kind = 'fee'
        OR (projections.kind = 'count' AND projections.low_quantity IS NOT NULL)
        OR (projections.kind NOT IN ('count', 'fee') AND uncertain.network_id IS NULL) AS has_interval,
        CASE WHEN projections.is_kept THEN projections.amount ELSE amounts.low END AS low,
        CASE WHEN projections.is_kept THEN projections.amount ELSE amounts.high END AS high,
        amounts.read_low,
        amounts.read_high,
        NOT projections.is_kept AND coalesce(amounts.error IS NULL AND amounts.read_low < amounts.read_high, false) AS is_undecided,
        projections.is_kept OR coalesce(amounts.is_priced, false) AS is_priced
    FROM accrual_projections AS projections
    INNER JOIN accrual_sets AS own USING (network_id, mailbox_id, account_report, measure_field)
    LEFT JOIN core_sets AS sets ON sets.set_no = own.set_no
    LEFT JOIN amounts USING (network_id, mailbox_id, account_report, measure_field)
    LEFT JOIN uncertain USING (network_id, mailbox_id)
)
SELECT
    network_id,
    mailbox_id,
    getvariable('month')::DATE AS reporting_month,
    account_report,
    measure_field,
    contract_id,
    concat(
        base_method,
        CASE WHEN is_growing THEN concat(' x ', days, ' / ', days_known, ' days') ELSE '' END,
        CASE WHEN kind IN ('percentage', 'subtotal', 'minimum') AND NOT is_final THEN ', computed from the charges projected' ELSE '' END,
        CASE WHEN has_interval OR error IS NOT NULL THEN '' ELSE '; history too short for an interval' END,
        CASE WHEN is_undecided THEN '; the interpretation is undecided' ELSE '' END
    ) AS method,
    actual_to_date,
    CASE WHEN kind IN ('percentage', 'subtotal', 'minimum') THEN NULL ELSE quantity END AS projected_quantity,
    projected_amount::DECIMAL(28, 10) AS projected_amount,
    CASE
        WHEN has_interval AND is_priced THEN least(low, projected_amount)
        WHEN is_undecided THEN read_low
    END::DECIMAL(28, 10) AS low,
    CASE
        WHEN has_interval AND is_priced THEN greatest(high, projected_amount)
        WHEN is_undecided THEN read_high
    END::DECIMAL(28, 10) AS high,
    concat(
        CASE
            WHEN base_method = 'statistics to date' THEN concat('ReportMonthly received ', strftime(received_at, '%Y-%m-%d'))
            WHEN base_month = getvariable('month')::DATE THEN concat('line received ', strftime(received_at, '%Y-%m-%d'))
            ELSE concat('line of ', strftime(base_month, '%Y-%m'))
        END,
        coalesce('; terms ' || schedule_set_id, ''),
        coalesce('; no price: ' || error, '')
    ) AS source,
    is_taxable
FROM rows
