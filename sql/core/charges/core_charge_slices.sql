-- One row per slice of a proof, as a quantity times a unit price plus at most one flat fee, with its share of the rounded amount.
-- kept as: view
-- billed excludes the flat fee. With the fees, the slices of a line add up exactly to its expected amount: the line's rounding is
-- allocated to its slices by rounding their running sum to cents. is_exact: every slice of the line is the product of two factors within
-- nine decimals, and none has a negative price. cost is null for a slice that is no such product.
WITH proofs AS MATERIALIZED (
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
        block,
        blocks,
        rate,
        flat,
        product,
        expected_amount
    FROM out_line_proofs
),
sliced_lines AS (
    SELECT network_id, mailbox_id, reporting_month, account_report, measure_field
    FROM proofs
    WHERE slice = 2
),
marked AS NOT MATERIALIZED (
    SELECT proofs.*, sliced_lines.network_id IS NOT NULL AS is_sliced
    FROM proofs
    LEFT JOIN sliced_lines USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
),
factors AS NOT MATERIALIZED (
    SELECT
        *,
        product - flat AS cost,
        CASE
            WHEN try(blocks * rate) = product - flat THEN 'blocks'
            WHEN try(quantity * rate) = product - flat THEN 'units'
            WHEN product = flat THEN 'nothing'
        END AS factor
    FROM marked
),
priced AS NOT MATERIALIZED (
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
        is_sliced,
        CASE factor WHEN 'blocks' THEN blocks WHEN 'units' THEN quantity WHEN 'nothing' THEN quantity END
            AS pricing_quantity,
        CASE factor WHEN 'blocks' THEN rate WHEN 'units' THEN rate WHEN 'nothing' THEN 0 END AS unit_price,
        CASE WHEN factor = 'blocks' AND block > 0 AND block <> 1 THEN block END AS pricing_block
    FROM factors
),
judged AS NOT MATERIALIZED (
    SELECT
        *,
        pricing_quantity IS NOT NULL
        AND unit_price >= 0
        AND flat >= 0
        AND has_nine_places(pricing_quantity)
        AND has_nine_places(unit_price)
        AND has_nine_places_product(pricing_quantity, unit_price, cost)
        AND has_nine_places(flat)
        AND has_nine_places(quantity) AS is_exact
    FROM priced
)
-- most lines have one slice, and nothing of it needs to be sorted
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
    quantity::DECIMAL(38, 10) AS line_quantity,
    pricing_quantity,
    pricing_block,
    unit_price,
    CASE WHEN is_exact THEN product_in_ten_places(pricing_quantity, unit_price, cost) END AS cost,
    flat,
    expected_amount::DECIMAL(38, 10) - flat AS billed,
    expected_amount,
    is_exact
FROM judged
WHERE NOT is_sliced
UNION ALL
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
    sum(quantity) OVER line AS line_quantity,
    pricing_quantity,
    pricing_block,
    unit_price,
    CASE WHEN is_exact THEN product_in_ten_places(pricing_quantity, unit_price, cost) END AS cost,
    flat,
    -- one type throughout: of (28,10) and (38,2) DuckDB makes (38,2), and cuts
    CASE
        WHEN slice = max(slice) OVER line THEN expected_amount::DECIMAL(38, 10)
        ELSE round(sum(product) OVER running, 2)::DECIMAL(38, 10)
    END
    - CASE WHEN slice = 1 THEN 0 ELSE round(sum(product) OVER running - product, 2) END::DECIMAL(38, 10)
    - flat AS billed,
    expected_amount,
    bool_and(is_exact) OVER line
FROM judged
WHERE is_sliced
WINDOW
    line AS (PARTITION BY network_id, mailbox_id, reporting_month, account_report, measure_field),
    running AS (PARTITION BY network_id, mailbox_id, reporting_month, account_report, measure_field ORDER BY slice)
