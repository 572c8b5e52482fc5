-- One row per key that the month will be billed for and no invoice bills yet: how its quantity is projected, and from which line.
-- kept as: scratch
-- The first method that applies, key by key: the line of the month itself (recalculated), statistics to date, the line of last month, that
-- of the same month last year where last month's request has no response, the minimum of the contract for an account without any line. A
-- key that the service answered without a line after the month's end has none; nor is it projected from last year where a response since
-- had no line, or the account has left last month's account list or the price list. A line that is billed with its network keeps its
-- amount. A measure of traffic grows with the full days of the month, and on the first of them last month counts; others are as they are,
-- and where they show nothing in a running month, last month counts: a fee may be billed at the month's end.
WITH last_accounts AS (
    SELECT network_id, mailbox_id, any_value(nullif(price_list_id, 0)) AS price_list_id
    FROM raw_accounts
    WHERE reporting_month = getvariable('month')::DATE - INTERVAL 1 MONTH AND coalesce(status, '') NOT IN ('Terminated', 'Suspended')
    GROUP BY network_id, mailbox_id
),
ended_keys AS (
    SELECT DISTINCT network_id, mailbox_id, account_report, measure_field
    FROM raw_calls
    WHERE outcome = 'no_line'
        AND reporting_month > getvariable('month')::DATE - INTERVAL 12 MONTH
        AND reporting_month < getvariable('month')::DATE
        AND called_at >= reporting_month + INTERVAL 1 MONTH
),
closed_keys AS (
    SELECT network_id, mailbox_id, account_report, measure_field
    FROM raw_calls
    WHERE reporting_month = getvariable('month')::DATE
        AND outcome = 'no_line'
        AND called_at >= getvariable('month')::DATE + INTERVAL 1 MONTH
        AND called_at::DATE <= getvariable('as_of')::DATE
),
usage AS (
    -- by the meter that is decided, as far as its unit needs no rounding
    SELECT
        usage.network_id,
        usage.mailbox_id,
        meters.account_report,
        meters.measure_field,
        any_value(CASE WHEN meters.unit = 'bytes/1000' THEN usage.quantity * 0.001 ELSE usage.quantity END)::DECIMAL(28, 10) AS reported_quantity,
        (SELECT max(pulled_at)::TIMESTAMP FROM raw_monthly_reports WHERE reporting_month = getvariable('month')::DATE) AS received_at
    FROM out_meter_readings AS meters
    INNER JOIN core_usage AS usage
        ON usage.network_id = meters.network_id
        AND usage.statistic = meters.statistic
        AND usage.direction = meters.direction
        AND coalesce(usage.account_report, 'TrafficAll') = meters.account_report
        AND usage.unit = CASE meters.unit WHEN 'bytes/1000' THEN 'byte' ELSE meters.unit END
    WHERE meters.is_chosen
        AND meters.unit IN ('count', 'KC', 'bytes/1000')
        AND usage.scope = 'all'
        AND usage.clock = coalesce(meters.clock, 'server')
        AND usage.reporting_month = getvariable('month')::DATE
    GROUP BY usage.network_id, usage.mailbox_id, meters.account_report, meters.measure_field
),
last_year AS (
    SELECT history.*
    FROM accrual_history AS history
    LEFT JOIN last_accounts USING (network_id, mailbox_id)
    ANTI JOIN ended_keys USING (network_id, mailbox_id, account_report, measure_field)
    WHERE history.place = -12
        AND CASE
            WHEN last_accounts.network_id IS NULL THEN NOT EXISTS (FROM last_accounts)
            ELSE coalesce(last_accounts.price_list_id = history.price_list_id, true)
        END
),
bases AS (
    SELECT *
    FROM (
        SELECT * FROM accrual_history WHERE place IN (0, -1)
        UNION ALL
        SELECT * FROM last_year
    )
    QUALIFY row_number() OVER (
        PARTITION BY network_id, mailbox_id, account_report, measure_field
        ORDER BY
            place = 0
            AND NOT is_final
            AND CASE
                WHEN account_report LIKE 'Traffic%' THEN coalesce(received_at::DATE <= reporting_month, false)
                ELSE actual = 0 AND amount = 0
            END,
            place DESC, line_item_number
    ) = 1
),
keys AS (
    SELECT
        bases.*,
        usage.reported_quantity,
        usage.received_at AS usage_received_at,
        CASE
            WHEN bases.place = 0 AND bases.is_final THEN 'recalculated line'
            WHEN bases.place = 0 THEN 'recalculated line to date'
            WHEN usage.reported_quantity IS NOT NULL
                AND usage.received_at::DATE <= getvariable('as_of')::DATE
                AND usage.received_at::DATE > getvariable('month')::DATE
                AND bases.account_report LIKE 'Traffic%' THEN 'statistics to date'
            WHEN bases.place = -1 THEN 'last month'
            ELSE 'same month last year'
        END AS base_method
    FROM bases
    LEFT JOIN usage USING (network_id, mailbox_id, account_report, measure_field)
    ANTI JOIN closed_keys
        ON bases.place < 0
        AND closed_keys.network_id = bases.network_id
        AND closed_keys.mailbox_id = bases.mailbox_id
        AND closed_keys.account_report = bases.account_report
        AND closed_keys.measure_field = bases.measure_field
),
dated AS (
    SELECT
        *,
        account_report LIKE 'Traffic%' AS is_flow,
        date_diff('day', getvariable('month')::DATE, (getvariable('month')::DATE + INTERVAL 1 MONTH)::DATE)::INTEGER AS days,
        greatest(
            date_diff(
                'day', getvariable('month')::DATE,
                CASE base_method WHEN 'statistics to date' THEN usage_received_at ELSE received_at END::DATE
            ),
            1
        )::INTEGER AS days_known
    FROM keys
)
SELECT
    dated.network_id,
    dated.mailbox_id,
    dated.account_report,
    dated.measure_field,
    dated.line_item_number,
    coalesce(former.contract_id, accounts.contract_id) AS contract_id,
    accounts.account_name,
    dated.reporting_month AS base_month,
    dated.terms_no,
    dated.price_list_id,
    dated.set_no,
    dated.kind,
    dated.part,
    dated.actual,
    dated.amount,
    dated.is_taxable,
    dated.verdict,
    dated.base_method,
    dated.base_method = 'recalculated line' AS is_final,
    dated.base_method = 'recalculated line' OR aggregated.terms_no IS NOT NULL AS is_kept,
    dated.is_flow AND dated.base_method LIKE '%to date' AND dated.days_known < dated.days AS is_growing,
    dated.days,
    dated.days_known,
    CASE
        WHEN dated.base_method = 'statistics to date' THEN dated.reported_quantity
        WHEN dated.base_method LIKE 'recalculated line%' THEN dated.actual
    END::DECIMAL(28, 10) AS actual_to_date,
    CASE dated.base_method WHEN 'statistics to date' THEN dated.usage_received_at ELSE dated.received_at END AS received_at
FROM dated
LEFT JOIN core_accounts AS accounts ON accounts.network_id = dated.network_id AND accounts.mailbox_id = dated.mailbox_id
LEFT JOIN core_former_accounts AS former
    ON former.network_id = dated.network_id
    AND former.mailbox_id = dated.mailbox_id
    AND former.reporting_month = getvariable('month')::DATE
LEFT JOIN core_aggregated_lines AS aggregated
    ON aggregated.network_id = dated.network_id AND aggregated.mailbox_id = dated.mailbox_id AND aggregated.terms_no = dated.terms_no
ANTI JOIN accrual_invoiced_contracts AS invoiced ON invoiced.contract_id = coalesce(former.contract_id, accounts.contract_id)
