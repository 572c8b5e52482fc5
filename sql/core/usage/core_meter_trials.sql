-- One row per line of traffic and candidate meter: what the account's statistics give, and whether Actual is that.
-- kept as: view
-- Statistics of all traffic are the whole of TrafficAll, and an upper limit of every other report: a smaller Actual is then no miss
-- (`is_open`). Where they name the report, they are its own. `is_telling`: candidates give different quantities, and at least one of them
-- explains the line or it is a miss of all. `is_clock_telling`: the month by UTC gives another quantity than the service's month.
-- Candidates of KCs: reference_usage_tolerances has the rounding that they allow (meter_tolerance). `place`: those from bytes come first,
-- for a column of KCs does not show how it was rounded.
WITH usage AS (
    SELECT
        usage.* EXCLUDE (unit, quantity, unit_of_size, size),
        candidates.measure_unit,
        candidates.unit,
        candidates.place,
        CASE
            WHEN candidates.unit LIKE '%, up per month' THEN whole_units_up(usage.size)
            WHEN candidates.unit LIKE '%, nearest per month' THEN whole_units_nearest(usage.size)
            ELSE usage.size
        END AS quantity
    FROM (
        SELECT
            usage.*,
            sizes.unit_of_size,
            CASE sizes.unit_of_size
                WHEN 'bytes/1024' THEN try(count_of_blocks(usage.quantity, 1024::DECIMAL(28, 10)))
                WHEN 'bytes/1000' THEN try_cast(usage.quantity * 0.001 AS DECIMAL(28, 10))
                ELSE usage.quantity
            END AS size
        FROM core_usage AS usage
        LEFT JOIN (VALUES ('bytes/1000'), ('bytes/1024')) AS sizes (unit_of_size) ON usage.unit = 'byte'
    ) AS usage
    INNER JOIN (
        VALUES
            ('Trans', 'count', 'count', 1),
            ('KCs', 'bytes/1000', 'bytes/1000', 1),
            ('KCs', 'bytes/1024', 'bytes/1024', 2),
            ('KCs', 'KC per interchange', 'KC, up per interchange', 3),
            ('KCs', 'KC per parcel', 'KC, up per parcel', 4),
            ('KCs', 'KC', 'KC', 5),
            ('KCs', 'bytes/1000', 'bytes/1000, up per month', 6),
            ('KCs', 'bytes/1000', 'bytes/1000, nearest per month', 7),
            ('KCs', 'bytes/1024', 'bytes/1024, up per month', 8),
            ('KCs', 'bytes/1024', 'bytes/1024, nearest per month', 9),
            ('KCs', 'KC', 'KC, up per month', 10),
            ('KCs', 'KC', 'KC, nearest per month', 11)
    ) AS candidates (measure_unit, stated_in, unit, place) ON candidates.stated_in = coalesce(usage.unit_of_size, usage.unit)
),
trials AS (
    SELECT
        lines.network_id,
        lines.mailbox_id,
        lines.reporting_month,
        lines.account_report,
        lines.measure_field,
        lines.actual,
        usage.statistic || CASE usage.scope
            WHEN 'counted' THEN ' without duplicates, whoever pays'
            WHEN 'charged' THEN ' charged to the account'
            WHEN 'doubled' THEN ' charged to the account, with duplicates'
            ELSE ''
        END AS statistic,
        usage.unit,
        usage.direction,
        usage.clock,
        usage.source,
        usage.quantity,
        usage.parcels,
        usage.gap_days,
        usage.gap_least,
        usage.gap_most,
        usage.place * 100
        + CASE usage.scope WHEN 'all' THEN 0 WHEN 'counted' THEN 10 WHEN 'charged' THEN 20 ELSE 30 END
        + CASE WHEN usage.statistic LIKE '%parcel%' THEN 5 ELSE 0 END
        + CASE usage.clock WHEN 'utc' THEN 2 ELSE 0 END
        + CASE
            WHEN usage.direction = CASE WHEN lines.measure_field LIKE 'Total%' THEN 'both' WHEN lines.measure_field LIKE 'From%' THEN 'out' ELSE 'in' END
                THEN 0
            ELSE 1
        END AS place,
        usage.account_report IS NULL AND lines.account_report <> 'TrafficAll' AS is_part,
        abs(lines.actual - usage.quantity) <= meter_tolerance(lines.actual, tolerances.absolute) AS is_explained
    FROM core_lines AS lines
    INNER JOIN usage
        ON usage.network_id = lines.network_id
        AND usage.mailbox_id = lines.mailbox_id
        AND usage.reporting_month = lines.reporting_month
        AND (usage.account_report = lines.account_report OR (usage.account_report IS NULL AND lines.account_report LIKE 'Traffic%'))
        AND ends_with(lines.measure_field, usage.measure_unit)
    LEFT JOIN reference_usage_tolerances AS tolerances ON tolerances.measure_field = lines.measure_field
    QUALIFY row_number() OVER (
        PARTITION BY
            lines.network_id, lines.mailbox_id, lines.reporting_month, lines.account_report, lines.measure_field, usage.statistic,
            usage.scope, usage.unit, usage.direction, usage.clock
        ORDER BY usage.account_report NULLS LAST
    ) = 1
)
SELECT
    *,
    is_part AND NOT is_explained AND actual < quantity AS is_open,
    min(quantity) OVER line < max(quantity) OVER line
    AND (bool_or(is_explained) OVER line OR NOT (is_part AND actual < max(quantity) OVER line)) AS is_telling,
    bool_or(is_explained) OVER line AS is_explained_by_any,
    min(quantity) OVER meter < max(quantity) OVER meter AS is_clock_telling,
    row_number() OVER (line ORDER BY place, statistic) = 1 AS is_first
FROM trials
WINDOW
    line AS (PARTITION BY network_id, mailbox_id, reporting_month, account_report, measure_field),
    meter AS (PARTITION BY network_id, mailbox_id, reporting_month, account_report, measure_field, statistic, unit, direction)
