-- One row per price list, kind of charge (fees, or what is counted) and rounding that fits its lines, over all of them at once; `place` 1 is
-- the chosen one.
-- Fees and counted charges do not decide for each other: a fee of 12.45 fits no whole units, and one in coins is rounded otherwise than usage
-- in cents. Of roundings that fit the fees alike, the one that fits more of the list's counted lines is first.
-- A rounding's score is the number of lines it explains if every rate ladder takes its best interpretation; of equals, the one that needs
-- no remote interpretation is first. If the list's own lines fit several roundings alike (no amount was a tie between two cents), all
-- price lists together decide, else the order of reference_roundings: half up to cents first. One line is no evidence for other decimals
-- than those that two or more lines of other lists show, cents excepted: it is billed wrongly. Nor is one amount, on any number of lines,
-- evidence for a coarser rounding than cents, which hides more differences; only amounts that it changes count. Of fees, which are stated
-- numbers, two are none for whole units. Within the same decimals one line that the usual rounding misses is neither wrong nor proof of
-- another (`is_of_one_line`, core_open_roundings). `is_seen`: the list's own lines contradict every other rounding. If false, the choice
-- costs at most one unit of the last decimal on unseen kinds of lines, so it makes no interpretation undecided. `is_settled`: they contradict
-- every other one that differs from it; rounding each slice does not where no line has slices.
WITH scores AS (
    SELECT set_no, reading_no, rounding_no, sum(lines_explained) AS lines_explained
    FROM (
        FROM core_screen_scores
        UNION ALL
        FROM core_trial_scores
    )
    GROUP BY set_no, reading_no, rounding_no
),
best AS (
    SELECT
        scores.set_no,
        scores.rounding_no,
        max(scores.lines_explained) AS lines_explained,
        max(scores.lines_explained) FILTER (WHERE readings.plausibility = 'ordinary') AS lines_of_ordinary,
        arg_max(scores.reading_no, (scores.lines_explained, -scores.reading_no)) AS reading_no,
        arg_max(readings.rule_no, (scores.lines_explained, -scores.reading_no)) AS rule_no,
        arg_max(readings.model IN ('graduated', 'stacked_flat'), (scores.lines_explained, -scores.reading_no)) AS is_sliced
    FROM scores
    INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
    GROUP BY ALL
),
lists AS (
    SELECT
        sets.price_list_id,
        sets.kind = 'fee' AS is_fee,
        roundings.rounding_no,
        sum(coalesce(best.lines_explained, 0)) AS lines_explained,
        sum(coalesce(best.lines_of_ordinary, 0)) AS lines_of_ordinary,
        coalesce(bool_or(best.is_sliced), false) AS is_sliced
    FROM core_sets AS sets
    INNER JOIN core_candidate_roundings AS roundings USING (price_list_id)
    LEFT JOIN best USING (set_no, rounding_no)
    GROUP BY ALL
),
everywhere AS (
    SELECT is_fee, rounding_no, sum(lines_explained) AS lines_explained
    FROM lists
    GROUP BY is_fee, rounding_no
),
compared AS (
    SELECT
        lists.price_list_id,
        lists.is_fee,
        lists.rounding_no,
        lists.lines_explained,
        lists.lines_of_ordinary,
        CASE
            WHEN lists.is_fee THEN sum(lists.lines_explained) OVER (PARTITION BY lists.price_list_id, lists.rounding_no)
            ELSE lists.lines_explained
        END AS lines_of_list,
        roundings.rounding,
        roundings.unit,
        -- where nothing is billed in slices, each slice is the line
        concat_ws(' ', CASE WHEN lists.is_sliced THEN roundings.rounding ELSE replace(roundings.rounding, '_slices', '') END, roundings.unit)
            AS rule,
        everywhere.lines_explained AS lines_everywhere,
        everywhere.lines_explained - lists.lines_explained AS lines_elsewhere
    FROM lists
    INNER JOIN everywhere USING (is_fee, rounding_no)
    INNER JOIN core_roundings AS roundings USING (rounding_no)
),
usual AS (
    SELECT *
    FROM compared
    QUALIFY row_number() OVER (PARTITION BY price_list_id, is_fee ORDER BY lines_elsewhere DESC, rounding_no) = 1
),
coarse AS (
    -- coarser roundings than usual and than cents that explain more
    SELECT lists.price_list_id, lists.is_fee, lists.rounding_no, lists.rounding, lists.unit
    FROM compared AS lists
    INNER JOIN usual USING (price_list_id, is_fee)
    WHERE lists.unit > greatest(usual.unit, 0.01) AND lists.lines_explained > usual.lines_explained
),
coarse_amounts AS (
    -- number of different amounts of the list that they change
    SELECT coarse.price_list_id, coarse.is_fee, coarse.rounding_no, count(DISTINCT lines.amount) AS amounts
    FROM coarse
    INNER JOIN core_sets AS sets ON sets.price_list_id = coarse.price_list_id AND (sets.kind = 'fee') = coarse.is_fee
    INNER JOIN best ON best.set_no = sets.set_no AND best.rounding_no = coarse.rounding_no
    INNER JOIN (
        FROM core_screen_fits
        UNION ALL
        FROM core_trial_fits
    ) AS fits ON fits.set_no = best.set_no AND fits.reading_no = best.reading_no
    INNER JOIN core_trial_lines AS lines ON lines.trial_no = fits.trial_no
    INNER JOIN (
        FROM core_screen_rated
        UNION ALL
        FROM core_trial_rated
    ) AS rated ON rated.case_id = trial_case(lines.quantity_no, best.rule_no)
    WHERE list_contains(fits.roundings, coarse.rounding_no)
        AND has_rest(rated.amount_exact, rated.slices, coarse.rounding, coarse.unit)
    GROUP BY coarse.price_list_id, coarse.is_fee, coarse.rounding_no
),
ranked AS (
    SELECT
        lists.price_list_id,
        lists.is_fee,
        lists.rounding_no,
        lists.lines_explained,
        lists.lines_of_ordinary,
        lists.unit = usual.unit AND lists.rounding_no <> usual.rounding_no AND lists.lines_explained - usual.lines_explained = 1
        -- half up to cents is the usual rounding: one line is enough for it, whatever single lines of other lists show
        AND NOT (lists.rounding = 'half_up' AND lists.unit = 0.01) AS is_of_one_line,
        row_number() OVER preference AS place,
        lists.rule,
        first_value(lists.rule) OVER preference AS first_rule,
        first_value(lists.lines_explained) OVER preference AS most_lines,
        first_value(lists.lines_of_ordinary) OVER preference AS most_of_ordinary
    FROM compared AS lists
    INNER JOIN usual USING (price_list_id, is_fee)
    LEFT JOIN coarse
        ON coarse.price_list_id = lists.price_list_id AND coarse.is_fee = lists.is_fee AND coarse.rounding_no = lists.rounding_no
    LEFT JOIN coarse_amounts
        ON coarse_amounts.price_list_id = lists.price_list_id AND coarse_amounts.is_fee = lists.is_fee AND coarse_amounts.rounding_no = lists.rounding_no
    WHERE NOT (coarse.rounding_no IS NOT NULL AND coalesce(coarse_amounts.amounts, 0) < CASE WHEN lists.is_fee AND lists.unit > 0.1 THEN 3 ELSE 2 END)
    AND NOT (
        lists.unit NOT IN (usual.unit, 0.01) AND lists.lines_explained - usual.lines_explained = 1
        AND usual.lines_elsewhere - lists.lines_elsewhere > 1
    )
    WINDOW preference AS (
        PARTITION BY lists.price_list_id, lists.is_fee
        ORDER BY
            is_of_one_line, lists.lines_explained DESC, lists.lines_of_ordinary DESC, lists.lines_of_list DESC, lists.lines_everywhere DESC, lists.rounding_no
    )
)
SELECT
    price_list_id,
    is_fee,
    rounding_no,
    place,
    lines_explained,
    coalesce(most_lines > next_lines, true) AS is_seen,
    coalesce(most_lines > other_lines, true) AS is_settled
FROM (
    SELECT
        *,
        max(lines_explained) FILTER (WHERE place > 1) OVER of_kind AS next_lines,
        max(lines_explained) FILTER (WHERE rule <> first_rule) OVER of_kind AS other_lines
    FROM ranked
    WINDOW of_kind AS (PARTITION BY price_list_id, is_fee)
)
WHERE NOT is_of_one_line AND lines_explained = most_lines AND lines_of_ordinary = most_of_ordinary
