-- One row per rate ladder, quantity on its lines and slice: a quantity times a unit price plus at most one flat fee, and its billed share.
-- kept as: view
-- billed is the slice's share of the rounded amount, less its flat fee: shares and fees of a price add up exactly to its expected amount, by
-- rounding the running sum of its slices to cents. is_exact: every slice of the price is the product of two factors within nine decimals,
-- and none has a negative price. cost is null for a slice that is no such product.
WITH factors AS (
    SELECT
        *,
        product - flat AS cost,
        CASE
            WHEN try(blocks * rate) = product - flat THEN 'blocks'
            WHEN try(quantity * rate) = product - flat THEN 'units'
            WHEN product = flat THEN 'nothing'
        END AS factor
    FROM core_proofs
),
priced AS (
    SELECT
        set_no,
        actual,
        slice,
        level,
        schedule_id,
        quantity,
        flat,
        product,
        cost,
        expected_amount,
        CASE factor WHEN 'blocks' THEN blocks WHEN 'units' THEN quantity WHEN 'nothing' THEN quantity END
            AS pricing_quantity,
        CASE factor WHEN 'blocks' THEN rate WHEN 'units' THEN rate WHEN 'nothing' THEN 0 END AS unit_price,
        CASE WHEN factor = 'blocks' AND block > 0 AND block <> 1 THEN block END AS pricing_block
    FROM factors
),
judged AS (
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
SELECT
    set_no,
    actual,
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
    - round(sum(product) OVER running - product, 2)::DECIMAL(38, 10)
    - flat AS billed,
    expected_amount,
    bool_and(is_exact) OVER line AS is_exact
FROM judged
WINDOW
    line AS (PARTITION BY set_no, actual),
    running AS (PARTITION BY set_no, actual ORDER BY slice)
