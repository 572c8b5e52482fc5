-- One row per line whose quantity something else states too: Actual beside it, the tolerance, and whether they agree.
-- per: cell
-- source `ReportMonthly` is the month's report; `lines` are the account's own lines: Total is To plus From.
-- Tolerance (reference_usage_tolerances): `absolute`; and where Actual is a whole number and the report is not, `per_parcel` for each parcel
-- behind it, for KCs may be rounded up parcel by parcel before they are billed.
-- source: where the second quantity comes from: ReportMonthly or lines (To plus From of the account)
-- stated_quantity: quantity by that source, in units of the measure
-- difference: actual less stated_quantity, in units of the measure
-- parcels: number of parcels behind the report's quantity; 0 for source lines
-- tolerance: difference that is allowed, in units of the measure
-- is_tied: true where the difference lies within the tolerance
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
        sum(actual) FILTER (WHERE measure_field NOT LIKE 'Total%') AS stated_quantity,
        count(*) AS lines
    FROM core_lines
    SEMI JOIN threefold USING (price_list_id, account_report, measure_field)
    GROUP BY ALL
    HAVING bool_or(measure_field LIKE 'Total%')
        AND bool_or(measure_field LIKE 'From%')
        AND bool_or(measure_field LIKE 'To%' AND measure_field NOT LIKE 'Total%')
),
stated AS (
    SELECT
        network_id, mailbox_id, reporting_month, account_report, measure_field, 'ReportMonthly' AS source, reported_quantity AS stated_quantity,
        parcels
    FROM core_usage
    UNION ALL
    SELECT network_id, mailbox_id, reporting_month, account_report, 'Total' || unit, 'lines', stated_quantity, 0
    FROM ends
)
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    lines.price_list_id,
    stated.source,
    lines.actual,
    try_cast(stated.stated_quantity AS DECIMAL(28, 10)) AS stated_quantity,
    try_cast(lines.actual - stated.stated_quantity AS DECIMAL(28, 10)) AS difference,
    stated.parcels,
    greatest(
        coalesce(tolerances.absolute::DECIMAL(18, 6), 0),
        CASE
            WHEN lines.actual % 1 = 0 AND stated.stated_quantity % 1 <> 0
                THEN stated.parcels * coalesce(tolerances.per_parcel::DECIMAL(18, 6), 0)
            ELSE 0
        END
    )::DECIMAL(28, 10) AS tolerance,
    abs(lines.actual - stated.stated_quantity) <= greatest(
        coalesce(tolerances.absolute::DECIMAL(18, 6), 0),
        CASE
            WHEN lines.actual % 1 = 0 AND stated.stated_quantity % 1 <> 0
                THEN stated.parcels * coalesce(tolerances.per_parcel::DECIMAL(18, 6), 0)
            ELSE 0
        END
    ) AS is_tied
FROM stated
INNER JOIN core_lines AS lines USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
LEFT JOIN reference_usage_tolerances AS tolerances USING (measure_field)
