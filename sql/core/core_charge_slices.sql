-- One row per slice of a proved line whose price is a quantity times a unit price, exactly, plus at most a flat fee.
-- kept as: view
-- All slices of a line are here or none. `billed` is without the flat fee; with it the slices of a line add up exactly to
-- what it should cost: its rounding is spread over them, as their running sum is rounded to cents.
WITH factors AS (
    SELECT
        network_id,
        mailbox_id,
        reporting_month,
        account_report,
        measure_field,
        slice,
        level,
        schedule_id,
        quantity,
        blocks,
        block,
        rate,
        coalesce(flat, 0) AS flat,
        product,
        product - coalesce(flat, 0) AS cost,
        expected_amount
    FROM out_line_proofs
),
factored AS (
    SELECT
        network_id,
        mailbox_id,
        reporting_month,
        account_report,
        measure_field,
        slice,
        level,
        schedule_id,
        quantity,
        flat,
        product,
        cost,
        expected_amount,
        CASE WHEN try(blocks * rate) = cost THEN blocks WHEN cost = 0 OR try(quantity * rate) = cost THEN quantity END
            AS pricing_quantity,
        CASE WHEN try(blocks * rate) = cost OR try(quantity * rate) = cost THEN rate WHEN cost = 0 THEN 0 END
            AS unit_price,
        CASE WHEN try(blocks * rate) = cost AND block > 0 AND block <> 1 THEN block END AS pricing_block
    FROM factors
),
placed AS (
    SELECT
        network_id,
        mailbox_id,
        reporting_month,
        account_report,
        measure_field,
        slice,
        level,
        schedule_id,
        quantity,
        flat,
        product,
        cost,
        expected_amount,
        pricing_quantity,
        unit_price,
        pricing_block,
        row_number() OVER running AS place,
        count(*) OVER line AS slices,
        sum(quantity) OVER line AS line_quantity,
        sum(product) OVER running AS running_product,
        bool_and(
            pricing_quantity IS NOT NULL
            AND unit_price >= 0
            AND flat >= 0
            AND pricing_quantity % 0.000000001 = 0
            AND unit_price % 0.000000001 = 0
            AND cost % 0.000000001 = 0
            AND flat % 0.000000001 = 0
            AND quantity % 0.000000001 = 0
        ) OVER line AS is_exact
    FROM factored
    WINDOW
        line AS (PARTITION BY network_id, mailbox_id, reporting_month, account_report, measure_field),
        running AS (
            PARTITION BY network_id, mailbox_id, reporting_month, account_report, measure_field ORDER BY slice
        )
)
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    placed.place,
    lines.category,
    lines.unit,
    placed.level,
    placed.schedule_id,
    CASE
        WHEN placed.line_quantity > lines.actual THEN CASE WHEN placed.place = 1 THEN lines.actual ELSE 0 END
        WHEN placed.place = 1 THEN placed.quantity + lines.actual - placed.line_quantity
        ELSE placed.quantity
    END AS consumed_quantity,
    placed.pricing_quantity,
    placed.pricing_block,
    placed.unit_price,
    placed.cost::DECIMAL(38, 10) AS cost,
    placed.flat,
    -- one type throughout: of (28,10) and (38,2) DuckDB makes (38,2), and cuts
    CASE
        WHEN placed.place = placed.slices THEN placed.expected_amount::DECIMAL(38, 10)
        ELSE round(placed.running_product, 2)::DECIMAL(38, 10)
    END
    - CASE WHEN placed.place = 1 THEN 0 ELSE round(placed.running_product - placed.product, 2) END::DECIMAL(38, 10)
    - placed.flat AS billed,
    (lines.amount - lines.expected_amount)::DECIMAL(38, 10) AS difference
FROM placed
INNER JOIN core_charge_lines AS lines USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
WHERE placed.is_exact
    AND lines.expected_amount = placed.expected_amount
    AND lines.category IN ('Usage', 'Purchase')
