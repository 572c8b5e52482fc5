-- One row per price list, month, report and measure whose tiers give some quantities two prices.
-- title: Price list has overlapping tiers
WITH shared AS (
    SELECT set_no, string_agg(words, '; ' ORDER BY from_quantity) AS words
    FROM core_tier_faults
    WHERE fault = 'tier_overlap'
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
        AND faults.fault = 'tier_overlap'
        AND lines.actual - sets.allowance >= faults.from_quantity
        AND (faults.to_quantity IS NULL OR lines.actual - sets.allowance <= faults.to_quantity)
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
        'Price list ', months.price_list_id, ', ', months.account_report, ' ', months.measure_field, ': ', shared.words, '. ',
        CASE
            WHEN fallen.lines IS NULL THEN 'No line of the month is in the overlap'
            ELSE concat('Lines of the month in the overlap: ', fallen.lines, ', billed ', money_text(fallen.amount))
        END,
        '. Ask the vendor to correct the price list.'
    ) AS explanation
FROM shared
INNER JOIN months USING (set_no)
LEFT JOIN fallen ON fallen.set_no = months.set_no AND fallen.reporting_month = months.reporting_month
