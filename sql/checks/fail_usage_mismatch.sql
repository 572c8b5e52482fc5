-- One row per line whose quantity differs from another source of the account's usage by more than the tolerance, or that the statistics have no
-- row for; and per account and month with statistics by day that lack a day which the month's sum holds.
-- title: Usage differs from the service's own statistics
-- A warning where days without statistics may hold the difference, where KCs are of 1,024 bytes, and where there is no row to compare with. If statistics contradict a To or From
-- line, that line explains why To and From do not add up to the Total: no second row.
-- expected_amount: what the price list asks for the quantity by the statistics; null where the line is not proved for its own quantity, where days are missing, or against other lines
WITH to_and_from AS (
    SELECT DISTINCT network_id, mailbox_id, reporting_month, account_report, right(measure_field, 3) AS unit
    FROM out_usage_tieout
    WHERE source <> 'lines' AND NOT is_tied
),
priced AS (
    SELECT
        usage.*,
        usage.unit LIKE 'bytes/1024%' AND usage.is_tied AS is_1024,
        lines.amount,
        lines.verdict,
        -- a charge of the network's or of other lines, and one that does not fit its terms, has no price of its own
        CASE WHEN lines.verdict = 'fits' AND expected.expected_amount = lines.amount THEN try_cast(rated.amount AS DECIMAL(28, 10)) END
            AS usage_amount
    FROM out_usage_tieout AS usage
    INNER JOIN core_line_verdicts AS lines USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
    LEFT JOIN core_expected AS expected ON expected.set_no = lines.set_no AND expected.actual = lines.actual
    LEFT JOIN core_fault_rated AS rated
        ON rated.left_out = 'usage'
        AND rated.set_no = lines.set_no
        AND rated.actual = CASE WHEN usage.is_tied THEN usage.exact_quantity ELSE usage.stated_quantity END
        AND usage.source <> 'lines'
    WHERE usage.is_tied IS DISTINCT FROM true OR usage.exact_quantity IS NOT NULL
),
contradicted AS (
    SELECT
        usage.network_id,
        usage.mailbox_id,
        usage.reporting_month,
        usage.account_report,
        usage.measure_field,
        usage.price_list_id,
        usage.amount AS billed_amount,
        CASE WHEN usage.gap_days IS NULL THEN usage.usage_amount END AS expected_amount,
        CASE WHEN usage.gap_days IS NULL THEN usage.amount - usage.usage_amount END::DECIMAL(28, 10) AS difference,
        CASE
            WHEN usage.is_1024
                THEN concat(
                    grouped_text(usage.actual), ' measured on the line is the account''s bytes in KCs of 1,024; in KCs of 1,000 it is ',
                    grouped_text(usage.exact_quantity),
                    CASE WHEN usage.usage_amount IS NULL THEN '' ELSE concat(', which costs ', money_text(usage.usage_amount)) END,
                    '. The line bills ', money_text(usage.amount), '. Ask the vendor which size of a KC is agreed.'
                )
            ELSE concat(
                grouped_text(usage.actual), ' measured on the line, but ',
                CASE
                    WHEN usage.source = 'lines' THEN concat('the account''s To and From lines add up to ', grouped_text(usage.stated_quantity))
                    ELSE concat(
                        usage.source, ' has ', grouped_text(usage.stated_quantity), ' ', usage.statistic, CASE usage.direction WHEN 'both' THEN '' ELSE ' ' || usage.direction END,
                        CASE usage.unit WHEN 'count' THEN '' WHEN usage.statistic THEN '' ELSE concat(' (', usage.unit, ')') END
                    )
                END,
                ': ', grouped_text(abs(usage.difference)), CASE WHEN usage.difference > 0 THEN ' more' ELSE ' less' END,
                CASE WHEN usage.tolerance > 0 THEN concat(' (rounding explains at most ', grouped_text(usage.tolerance), ')') ELSE '' END,
                CASE WHEN usage.equal_to IS NULL THEN '' ELSE concat('. Actual equals the account''s ', usage.equal_to) END,
                CASE
                    WHEN usage.gap_days IS NULL THEN ''
                    ELSE concat('. There are no statistics for ', usage.gap_days, '; a missing day is not zero, and may hold the difference')
                END,
                '. The line bills ', money_text(usage.amount),
                CASE WHEN usage.verdict = 'fits' THEN ', correct for its own quantity' ELSE '' END,
                CASE
                    WHEN usage.usage_amount IS NULL THEN ''
                    ELSE concat('; ', grouped_text(usage.stated_quantity), ' would cost ', money_text(usage.usage_amount))
                END,
                '. Ask the vendor which count is correct.'
            )
        END AS explanation,
        usage.is_1024 OR usage.gap_days IS NOT NULL AS is_doubtful
    FROM priced AS usage
    -- a line of another account has that account's usage
    ANTI JOIN core_line_mismatches AS odd
        ON odd.network_id = usage.network_id
        AND odd.mailbox_id = usage.mailbox_id
        AND odd.reporting_month = usage.reporting_month
        AND odd.account_report = usage.account_report
        AND odd.measure_field = usage.measure_field
        AND (odd.is_of_other_account OR odd.is_of_other_measure)
    ANTI JOIN to_and_from AS cause
        ON usage.source = 'lines'
        AND cause.network_id = usage.network_id
        AND cause.mailbox_id = usage.mailbox_id
        AND cause.reporting_month = usage.reporting_month
        AND cause.account_report = usage.account_report
        AND cause.unit = right(usage.measure_field, 3)
    WHERE usage.is_tied IS DISTINCT FROM true OR usage.is_1024
    QUALIFY row_number() OVER (
        PARTITION BY usage.network_id, usage.mailbox_id, usage.reporting_month, usage.account_report, usage.measure_field
        ORDER BY usage.source
    ) = 1
)
SELECT * FROM contradicted
UNION ALL BY NAME
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    lines.price_list_id,
    lines.amount AS billed_amount,
    concat(
        grouped_text(lines.actual), ' measured on the line, but ', lines.source, ' has no row for the account, and has rows for ', lines.accounts,
        ' others of its network; an account without traffic has none. The line bills ', money_text(lines.amount),
        '. Ask the vendor what was counted.'
    ) AS explanation,
    true AS is_doubtful
FROM core_unstated_lines AS lines
ANTI JOIN core_line_mismatches AS odd
    ON odd.network_id = lines.network_id
    AND odd.mailbox_id = lines.mailbox_id
    AND odd.reporting_month = lines.reporting_month
    AND odd.account_report = lines.account_report
    AND odd.measure_field = lines.measure_field
    AND (odd.is_of_other_account OR odd.is_of_other_measure)
ANTI JOIN contradicted
    ON contradicted.network_id = lines.network_id
    AND contradicted.mailbox_id = lines.mailbox_id
    AND contradicted.reporting_month = lines.reporting_month
    AND contradicted.account_report = lines.account_report
    AND contradicted.measure_field = lines.measure_field
UNION ALL BY NAME
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    concat(
        'The statistics by day have no row for ', array_to_string(list_transform(lost_days, lambda one: strftime(one, '%Y-%m-%d')), ', '),
        ', and the sum of the days is ', grouped_text(lost_quantity), ' less than the ', grouped_text(quantity), ' ', statistic,
        CASE direction WHEN 'both' THEN '' ELSE ' ' || direction END, ' of the month by ', source,
        ': a missing day is not zero. The lines are compared with the month''s sum. Ask the vendor for the statistics of the day.'
    ) AS explanation,
    true AS is_doubtful
FROM core_lost_days AS lost
-- a line that the day is missing for names it
ANTI JOIN out_usage_tieout AS usage
    ON usage.network_id = lost.network_id
    AND usage.mailbox_id = lost.mailbox_id
    AND usage.reporting_month = lost.reporting_month
    AND usage.gap_days IS NOT NULL
