-- One row per line that charges something: what kind of charge it is (FOCUS ChargeCategory), and what FOCUS tells of it.
-- kept as: view
-- A Subtotal of amount 0 charges nothing. Negative amounts are credits, whatever was measured.
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    CASE
        WHEN lines.amount < 0 OR (lines.amount = 0 AND lines.measure_field IN ('Credit', 'CreditPercentage'))
            THEN 'Credit'
        WHEN measures.kind IN ('minimum', 'percentage', 'subtotal') OR lines.measure_field = 'Credit'
            THEN 'Adjustment'
        WHEN measures.kind = 'fee' OR lines.measure_field = 'CurrentMailboxes' OR lines.level = 'OneTime'
            THEN 'Purchase'
        ELSE 'Usage'
    END AS category,
    coalesce(measures.unit, 'unit') AS unit,
    lines.account_name,
    lines.contract_id,
    lines.line_item_number,
    lines.line_date,
    lines.price_list_id,
    lines.price_list_description,
    lines.model,
    lines.level,
    lines.schedule_id,
    lines.schedule_rate,
    lines.schedule_block,
    lines.schedule_allowance,
    lines.schedule_minimum,
    lines.schedule_maximum,
    lines.actual,
    lines.quantity_billed,
    lines.is_taxable,
    lines.amount,
    lines.expected_amount,
    lines.reading_id,
    lines.verdict,
    lines.response_sha256
FROM out_line_items AS lines
LEFT JOIN reference_measures AS measures ON measures.measure_field = lines.measure_field
WHERE lines.measure_field <> 'Subtotal' OR lines.amount <> 0
