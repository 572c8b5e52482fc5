-- One row per charge: a slice of a proved line, its flat fee, what a line bills beyond its proof, or a line unproved.
-- kept as: view
-- `cost` is pricing_quantity times unit_price wherever these are given; `billed` adds up over a line to its amount.
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    (2 * place)::INTEGER AS part,
    category,
    level,
    schedule_id,
    consumed_quantity,
    pricing_quantity,
    concat_ws(' ', plain_text(pricing_block), unit) AS pricing_unit,
    unit_price,
    cost,
    billed::DECIMAL(38, 10) AS billed,
    concat_ws(' ', measure_field, level) AS description
FROM core_charge_slices
UNION ALL
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    (2 * place + 1)::INTEGER,
    'Purchase',
    level,
    schedule_id,
    NULL,
    1,
    'flat fee',
    flat,
    flat,
    flat,
    concat_ws(' ', measure_field, level, 'flat fee')
FROM core_charge_slices
WHERE flat > 0
UNION ALL
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    1000000,
    'Adjustment',
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    NULL,
    difference,
    difference,
    concat_ws(' ', measure_field, 'billed', CASE WHEN difference > 0 THEN 'above' ELSE 'below' END, 'its proof')
FROM core_charge_slices
WHERE place = 1 AND difference <> 0
UNION ALL
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    0,
    category,
    level,
    schedule_id,
    actual,
    CASE WHEN shows_factors THEN quantity_billed WHEN category IN ('Usage', 'Purchase') THEN 1 END,
    CASE WHEN shows_factors THEN unit WHEN category IN ('Usage', 'Purchase') THEN 'line' END,
    CASE WHEN shows_factors THEN schedule_rate WHEN category IN ('Usage', 'Purchase') THEN amount END,
    CASE WHEN shows_factors THEN (quantity_billed * schedule_rate)::DECIMAL(38, 10) ELSE amount::DECIMAL(38, 10) END,
    amount,
    concat_ws(' ', measure_field, level)
FROM (
    -- a line that shows the two numbers that were multiplied is told by them; otherwise the line itself was sold, once
    SELECT
        *,
        coalesce(
            category IN ('Usage', 'Purchase')
            AND schedule_rate >= 0
            AND schedule_rate % 0.000000001 = 0
            AND quantity_billed % 0.000000001 = 0
            AND try(quantity_billed * schedule_rate) % 0.000000001 = 0
            AND round(try(quantity_billed * schedule_rate), 2) = amount,
            false
        ) AS shows_factors
    FROM core_charge_lines
    ANTI JOIN core_charge_slices USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
)
