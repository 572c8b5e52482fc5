-- One row per rate ladder whose lines leave open how amounts are rounded.
-- Another rounding is open if the leader, or a tied candidate, wins fewer than two thirds of the lines on which the two differ. One amount,
-- on any number of lines, is no evidence for one to whole units (as in core_fitting_roundings): what it gives is billed wrongly, unless no
-- line shows cents. An amount may be rounded to cents in two steps (is_of_two_steps): a candidate here only, which no list is decided to
-- have. Slices may be rounded in ways that are no candidate: amounts within the largest possible rounding of them are open unless three
-- lines confirm the rounding chosen for each that contradicts it. Rounding to coins (is_of_cash) is open too, of slices as of lines: no
-- terms state it. Nor do they state cents up or down: beside coins a line in cents may be right, and beside cents one to the nearest cent. A
-- line that follows from the number it shows (another rate) leaves no rounding open.
-- lines: lines that the rounding chosen does not give, or that cents would not; difference: the sum by which they differ from it, or from
-- cents; tried: lines with something to round. roundings: what is open; is_near: any amount that differs by less than `unit` for each slice.
WITH rated AS (
    SELECT case_id, amount_exact, slices, units, blocks, error
    FROM core_screen_rated
    UNION ALL
    SELECT case_id, amount_exact, slices, units, blocks, error
    FROM core_trial_rated
),
chosen AS (
    SELECT
        readings.set_no,
        readings.reading_no,
        readings.place,
        readings.rule_no,
        readings.billed_in,
        readings.model IN ('graduated', 'stacked_flat') AS is_sliced,
        readings.rounding_no,
        readings.rounding,
        readings.unit,
        readings.half,
        is_of_cash(readings.rounding, readings.scale) AS is_cash,
        readings.scale = 2 AND readings.rounding IN ('half_up', 'half_even') AS is_nearest_cent,
        sets.kind = 'fee' AS is_fee
    FROM core_tied_readings AS readings
    INNER JOIN core_sets AS sets USING (set_no)
),
fits AS (
    SELECT
        fits.set_no,
        fits.reading_no,
        fits.trial_no,
        any_value(fits.roundings) FILTER (WHERE NOT fits.is_changed) AS roundings,
        bool_or(list_contains(fits.roundings, chosen.rounding_no) AND NOT fits.is_changed) AS is_explained,
        bool_or(list_contains(fits.roundings, chosen.rounding_no) AND fits.is_changed) AS is_of_number_shown
    FROM (
        FROM core_screen_fits
        UNION ALL
        FROM core_trial_fits
    ) AS fits
    INNER JOIN chosen USING (set_no, reading_no)
    GROUP BY fits.set_no, fits.reading_no, fits.trial_no
),
cases AS (
    -- lines as the chosen reading of their ladder, or a tied one, prices them
    SELECT
        chosen.set_no,
        chosen.reading_no,
        chosen.unit,
        chosen.is_cash,
        chosen.is_nearest_cent,
        chosen.is_fee,
        lines.trial_no,
        lines.lines,
        lines.amount,
        rated.amount_exact,
        rated.slices,
        fits.roundings,
        coalesce(fits.is_explained, false) AS is_explained,
        coalesce(fits.is_of_number_shown, false) AS is_of_number_shown,
        -- slices with something to round, the line within the largest possible rounding of them; one slice alone is a line, but for coins
        chosen.is_sliced
        AND (rated.slices IS NOT NULL OR chosen.is_cash)
        AND coalesce(try(abs(rated.amount_exact - lines.amount)) < coalesce(len(rated.slices), 1) * chosen.unit, false)
        AND len(list_filter(coalesce(rated.slices, [rated.amount_exact]), lambda slice: slice % chosen.unit <> 0)) > 0 AS is_near
    FROM chosen
    INNER JOIN core_trial_lines AS lines ON lines.set_no = chosen.set_no
    INNER JOIN rated ON rated.case_id = trial_case(lines.quantity_no, chosen.rule_no)
    LEFT JOIN fits ON fits.trial_no = lines.trial_no AND fits.reading_no = chosen.reading_no
    WHERE rated.error IS NULL
        AND lines.quantity_billed = CASE WHEN chosen.billed_in = 'blocks' THEN rated.blocks ELSE rated.units END
),
given AS (
    -- lines that the rounding chosen does not give, neither by the terms nor by the number shown, with each rounding that does
    SELECT set_no, reading_no, trial_no, lines, unnest(roundings) AS rounding_no
    FROM cases
    WHERE NOT (is_explained OR is_of_number_shown)
    UNION ALL
    SELECT cases.set_no, cases.reading_no, cases.trial_no, cases.lines, twice.rounding_no
    FROM cases
    INNER JOIN core_roundings AS twice ON is_of_two_steps(twice.rounding)
    WHERE NOT (cases.is_explained OR cases.is_of_number_shown)
        AND cases.is_nearest_cent
        AND coalesce(amount_in_two_steps(cases.amount_exact, cases.slices, twice.rounding, twice.unit, twice.half) = cases.amount, false)
),
others AS (
    SELECT given.set_no, given.reading_no, given.rounding_no, false AS is_near
    FROM (SELECT set_no, reading_no, rounding_no, sum(lines) AS lines FROM given GROUP BY ALL) AS given
    INNER JOIN core_roundings AS others USING (rounding_no)
    INNER JOIN cases ON cases.set_no = given.set_no AND cases.reading_no = given.reading_no
    CROSS JOIN LATERAL (
        SELECT
            CASE
                WHEN is_of_two_steps(others.rounding)
                    THEN coalesce(amount_in_two_steps(cases.amount_exact, cases.slices, others.rounding, others.unit, others.half) = cases.amount, false)
                ELSE list_contains(coalesce(cases.roundings, []), others.rounding_no)
            END AS is_given
    ) AS compared
    GROUP BY given.set_no, given.reading_no, given.rounding_no
    HAVING (any_value(cases.is_cash) AND any_value(others.unit) <= 0.01)
        OR (
            any_value(cases.unit = 0.01 AND NOT cases.is_nearest_cent)
            AND any_value(others.scale = 2 AND others.rounding IN ('half_up', 'half_even'))
        )
        OR coalesce(sum(cases.lines) FILTER (WHERE cases.is_explained AND NOT compared.is_given), 0) < any_value(given.lines) * 2
        AND (
            any_value(others.unit <= greatest(cases.unit, 0.1))
            OR count(DISTINCT cases.amount)
            FILTER (WHERE compared.is_given AND has_rest(cases.amount_exact, cases.slices, others.rounding, others.unit)) > 1
            -- a short list, whose other amounts have nothing to round; a fee is a stated number
            OR (
                NOT any_value(cases.is_fee)
                AND count(*) FILTER (WHERE cases.is_explained AND has_rest(cases.amount_exact, cases.slices, others.rounding, others.unit)) = 0
            )
        )
),
open AS (
    FROM others
    UNION ALL
    SELECT set_no, reading_no, chosen.rounding_no, true
    FROM cases
    INNER JOIN chosen USING (set_no, reading_no)
    WHERE cases.is_near
    GROUP BY set_no, reading_no, chosen.rounding_no
    HAVING any_value(cases.is_cash)
        OR coalesce(sum(lines) FILTER (WHERE is_explained), 0) < coalesce(sum(lines) FILTER (WHERE NOT is_explained), 0) * 3
),
named AS (
    -- the candidate whose figures are stated
    SELECT chosen.*, chosen.is_cash AS is_of_coins
    FROM chosen
    LEFT JOIN (SELECT DISTINCT set_no, reading_no FROM open) AS open USING (set_no, reading_no)
    WHERE chosen.is_cash OR open.set_no IS NOT NULL
    QUALIFY row_number() OVER (PARTITION BY chosen.set_no ORDER BY chosen.place) = 1
),
tried AS (
    SELECT
        named.set_no,
        named.is_of_coins,
        cases.lines,
        cases.amount,
        CASE
            WHEN named.is_of_coins THEN try(line_amount(cases.amount_exact, cents.rounding, cents.unit, cents.half))
            ELSE try(rounded_amount(cases.amount_exact, cases.slices, named.rounding, named.unit, named.half))
        END AS expected_amount,
        len(list_filter(coalesce(cases.slices, [cases.amount_exact]), lambda slice: slice % named.unit <> 0)) > 0 AS has_rest,
        CASE
            WHEN named.is_of_coins THEN cases.amount <> expected_amount
            ELSE NOT cases.is_explained
                AND EXISTS (
                    FROM open
                    LEFT JOIN given USING (set_no, reading_no, rounding_no)
                    WHERE open.set_no = named.set_no
                        AND open.reading_no = named.reading_no
                        AND CASE WHEN open.is_near THEN cases.is_near ELSE given.trial_no = cases.trial_no END
                )
        END AS is_open
    FROM named
    INNER JOIN core_roundings AS cents ON cents.rounding_no = 1
    INNER JOIN cases ON cases.set_no = named.set_no AND cases.reading_no = named.reading_no
    WHERE try(abs(cases.amount_exact - cases.amount)) <= coalesce(len(cases.slices), 1)
)
SELECT
    tried.set_no,
    any_value(tried.is_of_coins) AS is_cash,
    sum(tried.lines) FILTER (WHERE tried.has_rest OR tried.is_open)::BIGINT AS tried,
    sum(tried.lines) FILTER (WHERE tried.is_open)::BIGINT AS lines,
    try_cast(sum(tried.lines * (tried.amount - tried.expected_amount)) FILTER (WHERE tried.is_open) AS DECIMAL(28, 10)) AS difference,
    any_value(roundings.roundings) AS roundings
FROM tried
LEFT JOIN (
    SELECT
        set_no,
        list(DISTINCT struct_pack(rounding := rounding, unit := unit, half := half, is_near := is_near)) AS roundings
    FROM open
    INNER JOIN core_roundings USING (rounding_no)
    GROUP BY set_no
) AS roundings USING (set_no)
GROUP BY tried.set_no
HAVING bool_or(tried.is_open)
