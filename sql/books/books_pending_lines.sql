-- One row per pending entry: a reversal cancels a posted line, a re-entry posts its present values.
-- kept as: scratch view
-- Quantities and amounts of a reversal have the opposite sign. Variable `correction`: number of the next batch.
SELECT
    getvariable('correction')::INTEGER AS correction,
    'reversal' AS entry,
    gone.* REPLACE (
        -gone.quantity_billed AS quantity_billed,
        -gone.billed_amount AS billed_amount,
        -gone.expected_amount AS expected_amount,
        -gone.difference AS difference,
        -gone.actual AS actual,
        -gone.expected_quantity_billed AS expected_quantity_billed
    )
FROM books_removed_lines AS gone
UNION ALL BY NAME
SELECT
    getvariable('correction')::INTEGER AS correction,
    're-entry' AS entry,
    come.*
FROM books_added_lines AS come
