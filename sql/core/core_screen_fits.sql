-- One row per candidate reading and group of lines (core_trial_lines) that it reproduces: quantity billed, and amount by `roundings`.
-- kept as: scratch
WITH near AS MATERIALIZED (
    -- no rounding moves an amount by as much as 1
    SELECT
        lines.set_no,
        lines.trial_no,
        lines.lines,
        lines.amount,
        rule_of_case(rated.case_id) AS rule_no,
        rated.units,
        rated.blocks,
        lines.quantity_billed,
        rated.amount_exact,
        rated.amount_of_cents
    FROM core_trial_lines AS lines
    INNER JOIN core_screen_rated AS rated ON quantity_of_case(rated.case_id) = lines.quantity_no
    WHERE rated.error IS NULL
        AND abs(rated.amount_exact - lines.amount) <= 1
        AND lines.quantity_billed IN (rated.units, rated.blocks)
),
rounded AS (
    SELECT pairs.set_no, pairs.amount_exact, pairs.amount_of_cents, pairs.amount, list(candidates.rounding_no) AS roundings
    FROM (SELECT DISTINCT set_no, amount_exact, amount_of_cents, amount FROM near) AS pairs
    INNER JOIN core_sets AS sets USING (set_no)
    INNER JOIN core_candidate_roundings AS candidates USING (price_list_id)
    WHERE line_amount(
        rounded_from(pairs.amount_exact, pairs.amount_of_cents, candidates.rounding),
        candidates.rounding, candidates.unit, candidates.half
    ) = pairs.amount
    GROUP BY ALL
)
SELECT near.set_no, near.trial_no, near.lines, readings.reading_no, rounded.roundings
FROM near
INNER JOIN rounded USING (set_no, amount_exact, amount_of_cents, amount)
INNER JOIN core_set_readings AS readings
    ON readings.set_no = near.set_no
    AND readings.rule_no = near.rule_no
    AND near.quantity_billed = CASE WHEN readings.billed_in = 'blocks' THEN near.blocks ELSE near.units END
