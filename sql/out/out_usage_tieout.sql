-- One row per line whose quantity something else states too: Actual beside it, the tolerance, and whether they agree.
-- source `lines` are the account's own lines: Total is To plus From. The others are statistics, compared by the meter that is decided
-- for network, report and measure (out_meter_readings); where none is decided, a line has no such row.
-- Tolerance (reference_usage_tolerances): `absolute`; and where Actual is a whole number and the statistics are not, `per_parcel` for each
-- parcel behind it, for KCs may be rounded up parcel by parcel before they are billed.
-- source: where the second quantity comes from: a report (ReportMonthly, ReportTrafficStats, ReportByDate) or lines (To plus From of the account)
-- statistic: statistic that Actual is compared with, by the meter decided; null for source lines
-- unit: its unit, by the meter decided; null for source lines
-- direction: in, out or both, by the meter decided; null for source lines
-- stated_quantity: quantity by that source, in units of the measure
-- difference: actual less stated_quantity, in units of the measure
-- exact_quantity: KCs of 1,000 bytes, exact, where the meter decided rounds up or has KCs of 1,024 bytes; null: not stated, or no other unit
-- equal_to: another candidate that gives Actual where the meter decided does not, in words; null: none
-- parcels: number of parcels behind the quantity, of interchanges where parcels are not stated; 0 for source lines
-- gap_days: days without statistics that may hold the difference, as YYYY-MM-DD; null: none
-- tolerance: difference that is allowed, in units of the measure
-- is_tied: true where the difference lies within the tolerance; null: days without statistics may hold it
WITH threefold AS (
    -- only where a price list bills Total, To and From of one report and unit do an account's lines tell on each other
    SELECT price_list_id, account_report, unnest(measure_fields) AS measure_field
    FROM (
        SELECT price_list_id, account_report, measure_field LIKE '%KCs' AS is_in_kcs, list(DISTINCT measure_field) AS measure_fields
        FROM core_tiers
        WHERE measure_field SIMILAR TO '(Total|To|From)(KCs|Trans)'
        GROUP BY ALL
    )
    WHERE len(measure_fields) = 3
),
ends AS (
    SELECT
        network_id,
        mailbox_id,
        reporting_month,
        account_report,
        right(measure_field, length(measure_field) - CASE WHEN measure_field LIKE 'Total%' THEN 5 WHEN measure_field LIKE 'From%' THEN 4 ELSE 2 END)
            AS unit,
        sum(actual) FILTER (WHERE measure_field NOT LIKE 'Total%') AS stated_quantity
    FROM core_lines
    SEMI JOIN threefold USING (price_list_id, account_report, measure_field)
    GROUP BY ALL
    HAVING bool_or(measure_field LIKE 'Total%')
        AND bool_or(measure_field LIKE 'From%')
        AND bool_or(measure_field LIKE 'To%' AND measure_field NOT LIKE 'Total%')
),
chosen AS (
    SELECT
        trials.network_id,
        trials.mailbox_id,
        trials.reporting_month,
        trials.account_report,
        trials.measure_field,
        any_value(trials.source) FILTER (WHERE is_decided) AS source,
        any_value(trials.statistic) FILTER (WHERE is_decided) AS statistic,
        any_value(trials.unit) FILTER (WHERE is_decided) AS unit,
        any_value(trials.direction) FILTER (WHERE is_decided) AS direction,
        any_value(trials.quantity) FILTER (WHERE is_decided) AS stated_quantity,
        any_value(trials.parcels) FILTER (WHERE is_decided) AS parcels,
        any_value(trials.gap_days) FILTER (WHERE is_decided) AS gap_days,
        any_value(trials.gap_least) FILTER (WHERE is_decided) AS gap_least,
        any_value(trials.gap_most) FILTER (WHERE is_decided) AS gap_most,
        arg_min(trials.quantity, trials.place) FILTER (
            WHERE trials.unit IN ('KC', 'bytes/1000')
                AND trials.direction = readings.direction
                AND trials.clock = coalesce(readings.clock, 'server')
                AND regexp_extract(trials.statistic, ' (without|charged) .*$') = regexp_extract(readings.statistic, ' (without|charged) .*$')
                AND readings.unit NOT IN ('count', 'KC', 'bytes/1000')
        ) AS exact_quantity,
        arg_min(
            concat(
                trials.statistic,
                CASE trials.direction WHEN 'both' THEN '' ELSE ' ' || trials.direction END,
                CASE trials.unit WHEN 'count' THEN '' ELSE concat(' (', trials.unit, ')') END,
                CASE trials.clock WHEN 'utc' THEN ' of the month by UTC' ELSE '' END
            ),
            trials.place
        ) FILTER (WHERE trials.is_explained) AS equal_to
    FROM (
        SELECT
            trials.*,
            decided.statistic = trials.statistic
            AND decided.unit = trials.unit
            AND decided.direction = trials.direction
            AND coalesce(decided.clock, 'server') = trials.clock AS is_decided
        FROM core_meter_trials AS trials
        INNER JOIN out_meter_readings AS decided USING (network_id, account_report, measure_field)
        WHERE decided.is_chosen
    ) AS trials
    INNER JOIN out_meter_readings AS readings USING (network_id, account_report, measure_field)
    WHERE readings.is_chosen
    GROUP BY ALL
    HAVING bool_or(is_decided) AND NOT bool_or(is_decided AND is_open)
),
stated AS (
    SELECT * FROM chosen
    UNION ALL BY NAME
    SELECT network_id, mailbox_id, reporting_month, account_report, 'Total' || unit AS measure_field, 'lines' AS source, stated_quantity, 0 AS parcels
    FROM ends
),
compared AS (
    SELECT
        lines.network_id,
        lines.mailbox_id,
        lines.reporting_month,
        lines.account_report,
        lines.measure_field,
        lines.price_list_id,
        lines.set_no,
        lines.actual,
        stated.* EXCLUDE (network_id, mailbox_id, reporting_month, account_report, measure_field),
        greatest(
            meter_tolerance(lines.actual, tolerances.absolute),
            CASE
                WHEN lines.actual % 1 = 0 AND stated.stated_quantity % 1 <> 0
                    THEN stated.parcels * coalesce(tolerances.per_parcel::DECIMAL(18, 6), 0)
                ELSE 0
            END
        )::DECIMAL(28, 10) AS tolerance
    FROM stated
    INNER JOIN core_lines AS lines USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
    LEFT JOIN reference_usage_tolerances AS tolerances USING (measure_field)
)
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    price_list_id,
    source,
    statistic,
    unit,
    direction,
    actual,
    try_cast(stated_quantity AS DECIMAL(28, 10)) AS stated_quantity,
    try_cast(actual - stated_quantity AS DECIMAL(28, 10)) AS difference,
    CASE WHEN abs(actual - stated_quantity) <= tolerance AND exact_quantity <> actual THEN exact_quantity END AS exact_quantity,
    CASE WHEN abs(actual - stated_quantity) > tolerance THEN equal_to END AS equal_to,
    parcels::BIGINT AS parcels,
    CASE
        WHEN actual - stated_quantity > tolerance AND actual - stated_quantity BETWEEN gap_least AND gap_most
            THEN array_to_string(list_transform(gap_days, lambda one: strftime(one, '%Y-%m-%d')), ', ')
    END AS gap_days,
    tolerance,
    CASE
        WHEN abs(actual - stated_quantity) <= tolerance THEN true
        WHEN actual - stated_quantity BETWEEN gap_least AND gap_most THEN NULL
        ELSE false
    END AS is_tied
FROM compared
