-- One row per pending entry: a reversal cancels a posted line, a re-entry posts its present values.
-- kept as: scratch view
-- Quantities and amounts of a reversal have the opposite sign. Variable `correction`: number of the next batch.
SELECT
    getvariable('correction')::INTEGER AS correction,
    CASE WHEN is_posted THEN 'reversal' ELSE 're-entry' END AS entry,
    * EXCLUDE (is_posted) REPLACE (
        CASE WHEN is_posted THEN -quantity_billed ELSE quantity_billed END AS quantity_billed,
        CASE WHEN is_posted THEN -billed_amount ELSE billed_amount END AS billed_amount,
        CASE WHEN is_posted THEN -expected_amount ELSE expected_amount END AS expected_amount,
        CASE WHEN is_posted THEN -difference ELSE difference END AS difference,
        CASE WHEN is_posted THEN -actual ELSE actual END AS actual,
        CASE WHEN is_posted THEN -expected_quantity_billed ELSE expected_quantity_billed END AS expected_quantity_billed
    )
FROM books_changed_lines
