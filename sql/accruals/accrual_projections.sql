-- One row per key of accrual_keys: the quantity projected for the month, and the least and most by the account's own history.
-- kept as: scratch
-- Of a quantity to date, only what is still to come is uncertain. Fees and derived charges have no interval of their own.
WITH projected AS (
    SELECT
        keys.*,
        coalesce(fractions.has_fractions, false) AS has_fractions,
        CASE
            WHEN keys.is_growing THEN try(quotient((keys.actual_to_date * keys.days)::DECIMAL(28, 10), keys.days_known::DECIMAL(28, 10)))
            ELSE coalesce(keys.actual_to_date, keys.actual)
        END AS quantity,
        intervals.low_ratio,
        intervals.high_ratio
    FROM accrual_keys AS keys
    LEFT JOIN core_fractions AS fractions ON fractions.measure_field = keys.measure_field
    LEFT JOIN accrual_intervals AS intervals
        ON intervals.network_id = keys.network_id
        AND intervals.mailbox_id = keys.mailbox_id
        AND intervals.account_report = keys.account_report
        AND intervals.measure_field = keys.measure_field
        AND intervals.months = CASE keys.base_method WHEN 'same month last year' THEN 12 ELSE 1 END
        AND keys.kind = 'count'
        AND NOT keys.is_final
),
ranged AS (
    SELECT
        *,
        CASE
            WHEN base_method LIKE '%to date' AND NOT is_growing AND is_flow_over THEN quantity
            WHEN base_method LIKE '%to date' AND is_growing THEN try(actual_to_date + ((quantity - actual_to_date)::DECIMAL(28, 10) * low_ratio)::DECIMAL(28, 10))
            ELSE try((quantity * low_ratio)::DECIMAL(28, 10))
        END AS low_quantity,
        CASE
            WHEN base_method LIKE '%to date' AND NOT is_growing AND is_flow_over THEN quantity
            WHEN base_method LIKE '%to date' AND is_growing THEN try(actual_to_date + ((quantity - actual_to_date)::DECIMAL(28, 10) * high_ratio)::DECIMAL(28, 10))
            ELSE try((quantity * high_ratio)::DECIMAL(28, 10))
        END AS high_quantity
    FROM (SELECT *, days_known >= days AS is_flow_over FROM projected)
)
SELECT
    * EXCLUDE (quantity, low_quantity, high_quantity, is_flow_over),
    try_cast(CASE WHEN has_fractions OR kind <> 'count' THEN quantity ELSE round(quantity, 0) END AS DECIMAL(28, 10)) AS quantity,
    try_cast(CASE WHEN has_fractions THEN low_quantity ELSE floor(low_quantity) END AS DECIMAL(28, 10)) AS low_quantity,
    try_cast(CASE WHEN has_fractions THEN high_quantity ELSE ceil(high_quantity) END AS DECIMAL(28, 10)) AS high_quantity
FROM ranged
