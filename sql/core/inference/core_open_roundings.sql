-- One row per rate ladder whose lines leave open how amounts are rounded.
-- Another rounding is open if the leader, or a tied candidate, wins fewer than two thirds of the lines on which the two differ. Slices may
-- be rounded in ways that are no candidate: amounts within the largest possible rounding of them are open unless three lines confirm the
-- rounding chosen for each that contradicts it. Rounding to coins (is_of_cash) is open too: no terms state it.
-- lines: lines that the rounding chosen does not give, or that cents would not; difference: the sum by which they differ from it, or from
-- cents; tried: lines with something to round. roundings: what is open; is_near: any amount that differs by less than `unit` for each slice.
WITH rated AS (
    SELECT case_id, amount_exact, slices, units, blocks, error
    FROM core_screen_rated
    UNION ALL
    SELECT case_id, amount_exact, slices, units, blocks, error
    FROM core_trial_rated
),
fits AS (
    SELECT trial_no, reading_no, roundings
    FROM core_screen_fits
    WHERE NOT is_changed
    UNION ALL
    SELECT trial_no, reading_no, roundings
    FROM core_trial_fits
    WHERE NOT is_changed
),
tried AS (
    SELECT
        scores.set_no,
        scores.place,
        chosen.rounding_no,
        is_of_cash(chosen.rounding, chosen.scale) AS is_cash,
        lines.lines,
        lines.amount,
        chosen.unit,
        coalesce(fits.roundings, []) AS roundings,
        list_contains(fits.roundings, chosen.rounding_no) IS true AS is_explained,
        len(list_filter(coalesce(rated.slices, [rated.amount_exact]), lambda slice: slice % chosen.unit <> 0)) > 0 AS has_rest,
        has_rest AND coalesce(abs(rated.amount_exact - lines.amount) < len(rated.slices) * chosen.unit, false) AS is_near,
        CASE
            WHEN is_of_cash(chosen.rounding, chosen.scale) THEN line_amount(rated.amount_exact, cents.rounding, cents.unit, cents.half)
            ELSE rounded_amount(rated.amount_exact, rated.slices, chosen.rounding, chosen.unit, chosen.half)
        END AS expected_amount
    FROM core_reading_scores AS scores
    INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
    INNER JOIN core_reading_roundings AS roundings ON roundings.set_no = scores.set_no AND roundings.reading_no = scores.reading_no
    INNER JOIN core_roundings AS chosen ON chosen.rounding_no = roundings.rounding_no
    INNER JOIN core_roundings AS cents ON cents.rounding_no = 1
    INNER JOIN core_trial_lines AS lines ON lines.set_no = scores.set_no
    INNER JOIN rated ON rated.case_id = trial_case(lines.quantity_no, readings.rule_no)
    LEFT JOIN fits ON fits.trial_no = lines.trial_no AND fits.reading_no = scores.reading_no
    WHERE scores.is_tied
        AND rated.error IS NULL
        AND lines.quantity_billed = CASE WHEN readings.billed_in = 'blocks' THEN rated.blocks ELSE rated.units END
        AND try(abs(rated.amount_exact - lines.amount)) <= coalesce(len(rated.slices), 1)
),
others AS (
    SELECT set_no, place, other_no AS rounding_no, false AS is_near
    FROM (
        SELECT DISTINCT set_no, place, unnest(roundings) AS other_no
        FROM tried
        WHERE NOT is_explained
    )
    INNER JOIN tried USING (set_no, place)
    WHERE tried.is_explained <> list_contains(tried.roundings, other_no)
    GROUP BY ALL
    HAVING coalesce(sum(tried.lines) FILTER (WHERE tried.is_explained), 0) < sum(tried.lines) FILTER (WHERE NOT tried.is_explained) * 2
    UNION ALL
    SELECT set_no, place, any_value(rounding_no), true
    FROM tried
    WHERE is_near
    GROUP BY set_no, place
    HAVING coalesce(sum(lines) FILTER (WHERE is_explained), 0) < coalesce(sum(lines) FILTER (WHERE NOT is_explained), 0) * 3
),
open AS (
    SELECT
        set_no,
        place,
        list(struct_pack(rounding := rounding, unit := unit, half := half, is_near := is_near) ORDER BY rounding_no, is_near) AS roundings,
        list(rounding_no) FILTER (WHERE NOT is_near) AS rounding_nos,
        bool_or(is_near) AS is_near
    FROM others
    INNER JOIN core_roundings USING (rounding_no)
    GROUP BY set_no, place
),
judged AS (
    SELECT
        tried.*,
        open.roundings AS open_roundings,
        CASE
            WHEN open.set_no IS NULL THEN is_cash AND amount <> expected_amount
            ELSE NOT is_explained
                AND ((open.is_near AND tried.is_near) OR coalesce(list_has_any(tried.roundings, open.rounding_nos), false))
        END AS is_open
    FROM tried
    LEFT JOIN open USING (set_no, place)
),
counted AS (
    SELECT
        set_no,
        place,
        bool_and(is_cash AND open_roundings IS NULL) AS is_cash,
        any_value(open_roundings) AS roundings,
        sum(lines) FILTER (WHERE has_rest OR is_open) AS tried,
        sum(lines) FILTER (WHERE is_open) AS lines,
        sum(lines * (amount - expected_amount)) FILTER (WHERE is_open) AS difference
    FROM judged
    GROUP BY set_no, place
    HAVING bool_or(is_open)
)
SELECT
    set_no,
    arg_min(is_cash, place) AS is_cash,
    arg_min(tried, place)::BIGINT AS tried,
    arg_min(lines, place)::BIGINT AS lines,
    arg_min(difference, place)::DECIMAL(28, 10) AS difference,
    list_distinct(flatten(list(roundings))) AS roundings
FROM counted
GROUP BY set_no
