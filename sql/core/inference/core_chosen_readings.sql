-- One row per rate ladder with lines: the interpretation that proves its lines, and the verdict.
-- verdict: none_fits if the leader explains less than half of the telling lines, unless there is only one, which may be billed wrongly, and
-- most lines with an amount follow from each candidate alike (`lone`); undecided if tied candidates bill some quantity
-- differently, or if the rounding is open (core_open_roundings); else decided. With an override the verdict is decided: the chosen one is the candidate with its words that explains most.
-- `inferred_reading_no` is the leader, which the lines alone choose. `is_alone`: the terms have one ordinary interpretation, so they give
-- the amounts even where hardly any line follows from them.
WITH alone AS (
    SELECT set_no
    FROM core_set_readings
    WHERE plausibility = 'ordinary'
    GROUP BY set_no
    HAVING count(*) = 1
),
lone AS (
    SELECT leaders.set_no
    FROM core_reading_scores AS leaders
    INNER JOIN core_trial_lines AS lines USING (set_no)
    LEFT JOIN core_fits AS fits ON fits.trial_no = lines.trial_no AND fits.reading_no = leaders.reading_no
    WHERE leaders.place = 1 AND leaders.telling_lines = 1 AND leaders.telling_lines_explained = 0 AND lines.amount <> 0
    GROUP BY leaders.set_no
    HAVING sum(lines.lines) FILTER (WHERE fits.departures = 0) * 2 > sum(lines.lines)
),
overridden AS (
    SELECT
        scores.set_no,
        arg_min(scores.reading_no, scores.place) AS reading_no
    FROM core_overrides AS overrides
    INNER JOIN core_reading_scores AS scores USING (set_no)
    INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
    INNER JOIN (
        SELECT set_no, list_distinct(flatten(list(words))) AS words
        FROM core_set_readings
        GROUP BY set_no
    ) AS known USING (set_no)
    WHERE list_has_all(
        readings.words, list_filter(overrides.words, lambda word: list_contains(known.words, word))
    )
        AND list_has_any(known.words, overrides.words)
    GROUP BY scores.set_no
)
SELECT
    leaders.set_no,
    chosen.reading_no,
    chosen.lines_total,
    chosen.lines_explained,
    chosen.departures,
    chosen.telling_lines,
    chosen.telling_lines_explained,
    CASE
        WHEN overridden.set_no IS NOT NULL THEN 'decided'
        WHEN chosen.telling_lines_explained * 2 < chosen.telling_lines AND (lone.set_no IS NULL OR tied.set_no IS NULL) THEN 'none_fits'
        WHEN tied.set_no IS NOT NULL OR rounding.set_no IS NOT NULL THEN 'undecided'
        ELSE 'decided'
    END AS verdict,
    CASE WHEN overridden.set_no IS NULL THEN tied.deciding_quantity END AS deciding_quantity,
    CASE WHEN overridden.set_no IS NULL THEN tied.amount_at_stake END AS amount_at_stake,
    overridden.set_no IS NOT NULL AS is_pinned,
    leaders.reading_no AS inferred_reading_no,
    chosen.plausibility = 'ordinary' AND alone.set_no IS NOT NULL AS is_alone
FROM core_reading_scores AS leaders
LEFT JOIN overridden ON overridden.set_no = leaders.set_no
INNER JOIN core_reading_scores AS chosen
    ON chosen.set_no = leaders.set_no AND chosen.reading_no = coalesce(overridden.reading_no, leaders.reading_no)
LEFT JOIN alone ON alone.set_no = leaders.set_no
LEFT JOIN lone ON lone.set_no = leaders.set_no
LEFT JOIN core_open_roundings AS rounding ON rounding.set_no = leaders.set_no
LEFT JOIN core_tied_candidates AS tied ON tied.set_no = leaders.set_no AND tied.reading_no = leaders.reading_no
WHERE leaders.place = 1
