-- One row per rate ladder whose lines leave open how amounts are rounded.
-- Evidence are the lines with something to round, whose amount is within the largest possible rounding of the leader or of a tied
-- candidate. It is open if too few lines confirm the candidate's rounding for each that contradicts it: two where one product is
-- rounded, three where slices are added, which may be rounded in more ways. Rounding to coins (is_of_cash) is open too: no terms state it.
-- lines: lines that the candidate's rounding does not give, or that cents would not; difference: the sum by which they differ from it, or
-- from cents; tried: lines of evidence. within_line: by less than this a line of one product may differ; within_slice: this times the
-- number of slices for a line of several; null where that is decided. most_slices: largest number of slices.
WITH rated AS (
    SELECT case_id, amount_exact, slices, units, blocks, error
    FROM core_screen_rated
    UNION ALL
    SELECT case_id, amount_exact, slices, units, blocks, error
    FROM core_trial_rated
),
near AS (
    SELECT
        scores.set_no,
        scores.place,
        lines.lines,
        lines.amount,
        coalesce(len(rated.slices), 1) AS parts,
        chosen.unit,
        is_of_cash(chosen.rounding, chosen.scale) AS is_cash,
        fits.trial_no IS NOT NULL AS is_explained,
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
    LEFT JOIN core_fits AS fits
        ON fits.trial_no = lines.trial_no AND fits.reading_no = scores.reading_no AND fits.departures = 0
    WHERE scores.is_tied
        AND rated.error IS NULL
        AND lines.quantity_billed = CASE WHEN readings.billed_in = 'blocks' THEN rated.blocks ELSE rated.units END
        AND try(abs(rated.amount_exact - lines.amount)) < coalesce(len(rated.slices), 1) * chosen.unit
        AND len(list_filter(coalesce(rated.slices, [rated.amount_exact]), lambda slice: slice % chosen.unit <> 0)) > 0
),
counted AS (
    SELECT
        set_no,
        place,
        parts > 1 AS is_sliced,
        any_value(unit) AS unit,
        max(parts) AS most_slices,
        bool_and(is_cash) AS is_cash,
        sum(lines) AS tried,
        coalesce(sum(lines) FILTER (WHERE amount <> expected_amount), 0) AS lines,
        coalesce(sum(lines * (amount - expected_amount)), 0) AS difference,
        coalesce(sum(lines) FILTER (WHERE is_explained), 0) AS confirming,
        coalesce(sum(lines) FILTER (WHERE NOT is_explained), 0) AS contradicting
    FROM near
    GROUP BY set_no, place, parts > 1
),
open AS (
    SELECT *
    FROM counted
    WHERE (is_cash AND lines > 0) OR confirming < contradicting * CASE WHEN is_sliced THEN 3 ELSE 2 END
    QUALIFY place = min(place) OVER (PARTITION BY set_no)
)
SELECT
    set_no,
    bool_or(is_cash) AS is_cash,
    sum(tried)::BIGINT AS tried,
    sum(lines)::BIGINT AS lines,
    sum(difference)::DECIMAL(28, 10) AS difference,
    max(CASE WHEN NOT is_sliced AND NOT is_cash THEN unit END)::DECIMAL(28, 10) AS within_line,
    max(CASE WHEN is_sliced AND NOT is_cash THEN unit END)::DECIMAL(28, 10) AS within_slice,
    max(most_slices) AS most_slices
FROM open
GROUP BY set_no
