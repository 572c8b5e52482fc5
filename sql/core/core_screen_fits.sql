-- One row per candidate reading, rounding and group of lines (core_trial_lines) that they reproduce: quantity billed and amount.
WITH near AS (
    -- no rounding moves an amount by as much as 1
    SELECT
        lines.set_no,
        lines.trial_no,
        lines.lines,
        lines.amount,
        readings.reading_no,
        rated.amount_exact
    FROM core_trial_lines AS lines
    INNER JOIN core_screen_cases AS cases USING (set_no, actual)
    INNER JOIN core_screen_rated AS rated USING (case_id)
    INNER JOIN core_set_readings AS readings
        ON readings.set_no = cases.set_no
        AND readings.rule_no = cases.rule_no
        AND lines.quantity_billed = CASE WHEN readings.billed_in = 'blocks' THEN rated.blocks ELSE rated.units END
    WHERE rated.error IS NULL AND abs(rated.amount_exact - lines.amount) <= 1
)
SELECT near.set_no, near.trial_no, near.lines, near.reading_no, roundings.rounding_no
FROM near
CROSS JOIN core_roundings AS roundings
WHERE line_amount(near.amount_exact, roundings.rounding, roundings.unit, roundings.half) = near.amount
