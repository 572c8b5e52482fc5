-- One row per line that is money of other lines, and base: the sum that the line may be taken of.
--     counted_lines  the account's counted charges of the month: no credit, percentage, subtotal or minimum
--     lines_before   every line with a lower LineItemNumber     other_lines  every other line
--     usage_lines    counted charges of traffic and statistics  shown_actual what the line itself shows as Actual
-- Subtotals repeat other lines and are in no base. Amounts are those billed: a wrong charge moves the percentage of it,
-- which is then no fault of the percentage. A charge without a line (core_open_charges) counts with what the invoice bills
-- for it; where nobody says how much that is, the sums are open (`is_base_open`). `measures_after` are those of the lines that
-- stand after this one.
WITH money_lines AS (
    SELECT lines.*, sets.kind
    FROM core_lines AS lines
    INNER JOIN core_sets AS sets USING (set_no)
    WHERE sets.kind IN ('percentage', 'subtotal', 'minimum')
),
charges AS (
    SELECT network_id, mailbox_id, reporting_month, account_report, measure_field, line_item_number, amount
    FROM core_lines
    UNION ALL
    -- before every line: charges come before what is taken of them
    SELECT network_id, mailbox_id, reporting_month, account_report, measure_field, 0, amount
    FROM core_open_charges
),
sums AS (
    SELECT
        money.network_id,
        money.mailbox_id,
        money.reporting_month,
        money.account_report,
        money.measure_field,
        sum(others.amount) FILTER (WHERE measures.kind IN ('count', 'fee') AND others.measure_field <> 'Credit') AS counted_lines,
        sum(others.amount) FILTER (WHERE others.line_item_number < money.line_item_number) AS lines_before,
        sum(others.amount) AS other_lines,
        sum(others.amount) FILTER (WHERE measures.kind = 'count') AS usage_lines,
        bool_or(others.amount IS NULL) AS is_open,
        list_distinct(list(others.measure_field) FILTER (WHERE others.line_item_number > money.line_item_number)) AS measures_after
    FROM money_lines AS money
    INNER JOIN charges AS others
        ON others.network_id = money.network_id
        AND others.mailbox_id = money.mailbox_id
        AND others.reporting_month = money.reporting_month
        AND (others.account_report, others.measure_field) <> (money.account_report, money.measure_field)
    LEFT JOIN reference_measures AS measures ON measures.measure_field = others.measure_field
    WHERE coalesce(measures.kind, 'count') <> 'subtotal'
    GROUP BY ALL
)
SELECT
    money.network_id,
    money.mailbox_id,
    money.reporting_month,
    money.account_report,
    money.measure_field,
    money.heading_no,
    money.set_no,
    money.kind,
    money.actual,
    money.amount,
    bases.base,
    CASE bases.base
        WHEN 'counted_lines' THEN coalesce(sums.counted_lines, 0)
        WHEN 'lines_before' THEN coalesce(sums.lines_before, 0)
        WHEN 'other_lines' THEN coalesce(sums.other_lines, 0)
        WHEN 'usage_lines' THEN coalesce(sums.usage_lines, 0)
        ELSE money.actual
    END::DECIMAL(28, 10) AS base_amount,
    bases.base <> 'shown_actual' AND coalesce(sums.is_open, false) AS is_base_open,
    sums.measures_after
FROM money_lines AS money
CROSS JOIN (SELECT DISTINCT base FROM core_money_readings) AS bases
LEFT JOIN sums USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
