-- One row per price list, month, report and measure whose tiers leave quantities without a price, and per line of such a quantity.
-- title: Price list has a gap between tiers
WITH gaps AS (
    SELECT set_no, string_agg(words, '; ' ORDER BY from_quantity) AS words
    FROM core_tier_faults
    WHERE fault = 'tier_gap'
    GROUP BY set_no
),
months AS (
    SELECT DISTINCT price_list_id, reporting_month, account_report, measure_field, set_no
    FROM core_tiers
),
fallen AS (
    SELECT lines.set_no, lines.reporting_month, count(*) AS lines, sum(lines.amount) AS amount
    FROM core_lines AS lines
    INNER JOIN core_sets AS sets USING (set_no)
    SEMI JOIN core_tier_faults AS faults
        ON faults.set_no = lines.set_no
        AND faults.fault = 'tier_gap'
        AND lines.actual - sets.allowance >= faults.from_quantity
        AND lines.actual - sets.allowance <= faults.to_quantity
    WHERE lines.actual > sets.allowance
    GROUP BY ALL
)
SELECT
    NULL::INTEGER AS network_id,
    NULL::INTEGER AS mailbox_id,
    months.reporting_month,
    months.account_report,
    months.measure_field,
    months.price_list_id,
    NULL::VARCHAR AS invoice_number,
    NULL::DECIMAL(28, 10) AS billed_amount,
    NULL::DECIMAL(28, 10) AS expected_amount,
    NULL::DECIMAL(28, 10) AS difference,
    concat(
        'Price list ', months.price_list_id, ', ', months.account_report, ' ', months.measure_field, ': ', gaps.words, '. ',
        CASE
            WHEN fallen.lines IS NULL THEN 'No line of the month is in the gap'
            ELSE concat('Lines of the month in the gap: ', fallen.lines, ', billed ', money_text(fallen.amount))
        END,
        CASE
            WHEN chosen.amount_at_stake > 0 AND chosen.verdict = 'undecided'
                THEN concat('; at a quantity of ', plain_text(chosen.deciding_quantity), ', up to ', money_text(chosen.amount_at_stake), ' per line at stake')
            ELSE ''
        END,
        '. Ask the vendor to correct the price list.'
    ) AS explanation
FROM gaps
INNER JOIN months USING (set_no)
LEFT JOIN fallen ON fallen.set_no = months.set_no AND fallen.reporting_month = months.reporting_month
LEFT JOIN core_chosen_readings AS chosen ON chosen.set_no = months.set_no
UNION ALL
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    lines.price_list_id,
    NULL,
    lines.amount,
    NULL,
    NULL,
    concat(
        'Billed ', money_text(lines.amount), ' for ', plain_text(lines.actual), ' ', sets.unit, 's: price list ',
        lines.price_list_id, ' has no tier for that quantity (', regexp_replace(lines.error, '^[a-z_]+: ', ''), '), so the amount is unverified.'
    )
FROM core_suspect_lines AS lines
INNER JOIN core_sets AS sets USING (set_no)
WHERE lines.error LIKE 'past\_last\_tier%' ESCAPE '\'
