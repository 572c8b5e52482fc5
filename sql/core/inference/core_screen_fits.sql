-- One row per candidate reading and group of lines (core_trial_lines) that it reproduces: quantity billed, and amount by `roundings`.
-- kept as: scratch
-- `is_changed`: not by the terms, but with the one number of them replaced that the lines show otherwise.
WITH tried AS (
    SELECT trial_no, set_no, lines, quantity_billed, amount, quantity_no AS case_quantity_no, false AS is_changed
    FROM core_trial_lines
    UNION ALL
    SELECT lines.trial_no, lines.set_no, lines.lines, lines.quantity_billed, lines.amount, shown.case_quantity_no, true
    FROM core_trial_lines AS lines
    INNER JOIN core_tried_quantities AS shown ON shown.quantity_no = lines.quantity_no AND list_contains(lines.change_nos, shown.change_no)
),
near AS MATERIALIZED (
    -- no rounding moves an amount, or each of its slices, by as much as 1
    SELECT
        lines.set_no,
        lines.trial_no,
        lines.lines,
        lines.amount,
        lines.is_changed,
        rule_of_case(rated.case_id) AS rule_no,
        rated.units,
        rated.blocks,
        lines.quantity_billed,
        rated.amount_exact,
        rated.slices
    FROM tried AS lines
    INNER JOIN core_screen_rated AS rated ON quantity_of_case(rated.case_id) = lines.case_quantity_no
    WHERE rated.error IS NULL
        AND try(abs(rated.amount_exact - lines.amount)) <= coalesce(len(rated.slices), 1)
        AND lines.quantity_billed IN (rated.units, rated.blocks)
),
rounded AS (
    SELECT pairs.set_no, pairs.amount_exact, pairs.slices, pairs.amount, list(candidates.rounding_no) AS roundings
    FROM (SELECT DISTINCT set_no, amount_exact, slices, amount FROM near) AS pairs
    INNER JOIN core_sets USING (set_no)
    INNER JOIN core_candidate_roundings AS candidates USING (price_list_id)
    WHERE try(rounded_amount(pairs.amount_exact, pairs.slices, candidates.rounding, candidates.unit, candidates.half)) = pairs.amount
    GROUP BY ALL
),
fits AS (
    SELECT near.set_no, near.trial_no, near.lines, readings.reading_no, near.is_changed, rounded.roundings
    FROM near
    INNER JOIN rounded
        ON rounded.set_no = near.set_no
        AND rounded.amount_exact = near.amount_exact
        AND rounded.slices IS NOT DISTINCT FROM near.slices
        AND rounded.amount = near.amount
    INNER JOIN core_set_readings AS readings
        ON readings.set_no = near.set_no
        AND readings.rule_no = near.rule_no
        AND near.quantity_billed = CASE WHEN readings.billed_in = 'blocks' THEN near.blocks ELSE near.units END
)
SELECT set_no, trial_no, lines, reading_no, is_changed, roundings
FROM fits
WHERE NOT is_changed
UNION ALL
-- under a rounding that reproduces the line by the terms it departs from nothing; under the others it does
SELECT set_no, trial_no, lines, reading_no, is_changed, roundings
FROM (
    SELECT
        changed.* EXCLUDE (roundings),
        CASE
            WHEN stated.roundings IS NULL THEN changed.roundings
            ELSE list_filter(changed.roundings, lambda rounding_no: NOT list_contains(stated.roundings, rounding_no))
        END AS roundings
    FROM (
        -- of several ladders shown, one is enough
        SELECT set_no, trial_no, lines, reading_no, is_changed, list_sort(list_distinct(flatten(list(roundings)))) AS roundings
        FROM fits
        WHERE is_changed
        GROUP BY ALL
    ) AS changed
    LEFT JOIN fits AS stated
        ON NOT stated.is_changed AND stated.trial_no = changed.trial_no AND stated.reading_no = changed.reading_no
)
WHERE len(roundings) > 0
