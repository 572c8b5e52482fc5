-- One row per charge, as numbers: a slice of a proved line, its flat fee, what a line bills beyond its proof, or an unproved line.
-- kept as: view
-- cost is pricing_quantity times unit_price where both are given; billed adds up to the line's amount. The first columns are those of the
-- line (core_charge_lines). Texts that all charges of a kind share are added in core_charges.
WITH proved AS (
    SELECT
        lines.*,
        lines.amount - lines.expected_amount AS beyond_proof,
        slices.slice,
        slices.level AS slice_level,
        slices.schedule_id AS slice_schedule_id,
        slices.quantity AS slice_quantity,
        slices.line_quantity,
        slices.pricing_quantity AS slice_pricing_quantity,
        slices.pricing_block,
        slices.unit_price AS slice_unit_price,
        slices.cost AS slice_cost,
        slices.flat,
        slices.billed AS slice_billed,
        -- all slices of a line are charges, or the line is one as a whole
        coalesce(
            slices.is_exact
            AND lines.expected_amount = slices.expected_amount
            AND lines.category IN ('Usage', 'Purchase'),
            false
        ) AS is_sliced
    FROM core_charge_lines AS lines
    LEFT JOIN core_charge_slices AS slices USING (set_no, actual)
),
charged AS (
    SELECT
        *,
        -- a line that shows the two numbers that were multiplied is told by them; otherwise the line was sold, once
        CASE
            WHEN is_sliced OR category NOT IN ('Usage', 'Purchase') THEN false
            ELSE coalesce(
                schedule_rate >= 0
                AND has_nine_places(schedule_rate)
                AND has_nine_places(quantity_billed)
                AND has_nine_places_product(quantity_billed, schedule_rate, try(quantity_billed * schedule_rate))
                AND round(try(quantity_billed * schedule_rate), 2) = amount,
                false
            )
        END AS shows_factors,
        unnest(
            CASE
                WHEN NOT is_sliced THEN ['line']
                WHEN flat > 0 AND slice = 1 AND beyond_proof <> 0 THEN ['slice', 'flat fee', 'difference']
                WHEN flat > 0 THEN ['slice', 'flat fee']
                WHEN slice = 1 AND beyond_proof <> 0 THEN ['slice', 'difference']
                ELSE ['slice']
            END
        ) AS charge
    FROM proved
    WHERE is_sliced OR coalesce(slice, 1) = 1
)
SELECT
    * EXCLUDE (
        beyond_proof, slice, slice_quantity, line_quantity, slice_pricing_quantity, slice_unit_price, slice_cost, flat,
        slice_billed, is_sliced
    ) REPLACE (
        CASE charge WHEN 'flat fee' THEN 'Purchase' WHEN 'difference' THEN 'Adjustment' ELSE category END AS category
    ),
    charge = 'difference' AND beyond_proof > 0 AS is_above_proof,
    CASE charge WHEN 'line' THEN 0 WHEN 'slice' THEN 2 * slice WHEN 'flat fee' THEN 2 * slice + 1 ELSE 1000000 END
        ::INTEGER AS part,
    CASE
        WHEN charge = 'line' THEN actual
        WHEN charge <> 'slice' THEN NULL
        -- what an allowance left out was used all the same; what blocks added was not
        WHEN line_quantity > actual THEN CASE WHEN slice = 1 THEN actual ELSE 0 END
        WHEN slice = 1 THEN slice_quantity + actual - line_quantity
        ELSE slice_quantity
    END::DECIMAL(38, 10) AS consumed_quantity,
    CASE
        WHEN charge = 'slice' THEN slice_pricing_quantity
        WHEN charge = 'difference' THEN NULL
        WHEN shows_factors THEN quantity_billed
        WHEN category IN ('Usage', 'Purchase') THEN 1
    END AS pricing_quantity,
    CASE
        WHEN charge = 'slice' THEN slice_unit_price
        WHEN charge = 'flat fee' THEN flat
        WHEN charge = 'difference' THEN NULL
        WHEN shows_factors THEN schedule_rate
        WHEN category IN ('Usage', 'Purchase') THEN amount
    END AS unit_price,
    CASE
        WHEN charge = 'slice' THEN slice_cost::DECIMAL(38, 10)
        WHEN charge = 'flat fee' THEN flat::DECIMAL(38, 10)
        WHEN charge = 'difference' THEN beyond_proof::DECIMAL(38, 10)
        WHEN shows_factors THEN product_in_ten_places(quantity_billed, schedule_rate, quantity_billed * schedule_rate)
        ELSE amount::DECIMAL(38, 10)
    END AS cost,
    CASE charge
        WHEN 'slice' THEN slice_billed::DECIMAL(38, 10)
        WHEN 'flat fee' THEN flat::DECIMAL(38, 10)
        WHEN 'difference' THEN beyond_proof::DECIMAL(38, 10)
        ELSE amount::DECIMAL(38, 10)
    END AS billed
FROM charged
