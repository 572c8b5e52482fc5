-- One row per candidate reading, rounding and group of lines (core_trial_lines) that they reproduce: quantity billed and amount.
WITH near AS MATERIALIZED (
    -- no rounding moves an amount by as much as 1
    SELECT
        lines.set_no,
        lines.trial_no,
        lines.lines,
        lines.amount,
        cases.rule_no,
        rated.units,
        rated.blocks,
        lines.quantity_billed,
        rated.amount_exact
    FROM core_trial_lines AS lines
    INNER JOIN core_screen_cases AS cases USING (set_no, actual)
    INNER JOIN core_screen_rated AS rated USING (case_id)
    WHERE rated.error IS NULL
        AND abs(rated.amount_exact - lines.amount) <= 1
        AND lines.quantity_billed IN (rated.units, rated.blocks)
),
rounded AS (
    SELECT near.*, roundings.rounding_no
    FROM near
    INNER JOIN core_sets AS sets USING (set_no)
    INNER JOIN core_candidate_roundings AS roundings USING (price_list_id)
    WHERE line_amount(near.amount_exact, roundings.rounding, roundings.unit, roundings.half) = near.amount
)
SELECT rounded.set_no, rounded.trial_no, rounded.lines, readings.reading_no, rounded.rounding_no
FROM rounded
INNER JOIN core_set_readings AS readings
    ON readings.set_no = rounded.set_no
    AND readings.rule_no = rounded.rule_no
    AND rounded.quantity_billed = CASE WHEN readings.billed_in = 'blocks' THEN rounded.blocks ELSE rounded.units END
