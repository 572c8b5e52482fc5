-- One row per rate ladder with lines: the interpretation that proves its lines, and the verdict.
-- verdict: none_fits if the leader, with the roundings that are open (core_open_roundings), explains less than half of the telling lines;
-- undecided if tied candidates bill some quantity differently, if the rounding is open, if a single tier of a ladder is known
-- (core_unknown_tiers), or if nothing is billed; else decided. Lines do not overrule a model that the contract states: there the verdict is
-- undecided or decided, however few lines the leader explains. Where no candidate differs at any quantity, they are one interpretation, and
-- every line that bills something is telling. With an override the verdict is decided: the chosen one is the candidate with its words that
-- explains most.
-- departures: a line that other terms in force give (core_shown_changes) departs from nothing.
-- `inferred_reading_no` is the leader, which the lines alone choose. `is_alone`: the terms have one ordinary interpretation, so they give
-- the amounts even where hardly any line follows from them; where none does, the rate may be a fee (core_agreed_amounts).
WITH alone AS (
    SELECT set_no
    FROM core_set_readings
    WHERE plausibility = 'ordinary'
    GROUP BY set_no
    HAVING count(*) = 1
),
counted AS (
    -- lines that bill something, of ladders on whose lines the candidates do not differ; a quantity below 0 has no price under any
    SELECT
        leaders.set_no,
        sum(lines.lines)::BIGINT AS lines,
        coalesce(sum(lines.lines) FILTER (WHERE fits.trial_no IS NOT NULL), 0)::BIGINT AS lines_explained
    FROM core_reading_scores AS leaders
    INNER JOIN core_trial_lines AS lines USING (set_no)
    LEFT JOIN core_fits AS fits ON fits.trial_no = lines.trial_no AND fits.reading_no = leaders.reading_no
    LEFT JOIN core_unknown_tiers AS unknown ON unknown.set_no = leaders.set_no
    WHERE leaders.place = 1
        AND (fits.trial_no IS NOT NULL OR (lines.actual > unknown.from_quantity) IS NOT true)
        AND leaders.telling_lines = 0
        AND lines.actual >= 0
        AND (lines.amount <> 0 OR lines.quantity_billed <> 0)
    GROUP BY leaders.set_no
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
        AND readings.plausibility <> 'excluded'
    GROUP BY scores.set_no
),
by_other_terms AS (
    SELECT set_no, reading_no, sum(lines)::BIGINT AS lines
    FROM core_fits
    SEMI JOIN (
        SELECT trial_no
        FROM (SELECT trial_no, unnest(change_nos) AS change_no FROM core_trial_lines)
        SEMI JOIN (FROM core_shown_changes WHERE field = 'terms') AS other_terms USING (change_no)
    ) AS other_terms USING (trial_no)
    WHERE departures > 0 AND NOT is_left_out
    GROUP BY set_no, reading_no
),
evidence AS (
    SELECT
        leaders.set_no,
        leaders.reading_no AS inferred_reading_no,
        chosen.reading_no,
        chosen.plausibility,
        chosen.lines_total,
        chosen.lines_explained,
        chosen.departures - coalesce(by_other_terms.lines, 0) AS departures,
        leaders.telling_lines = 0 AND tied.set_no IS NULL AND overridden.set_no IS NULL AS is_one,
        CASE WHEN is_one THEN coalesce(counted.lines, 0) ELSE chosen.telling_lines END AS telling_lines,
        CASE WHEN is_one THEN coalesce(counted.lines_explained, 0) ELSE chosen.telling_lines_explained END AS telling_lines_explained,
        coalesce(rounding.lines, 0) AS lines_of_open_rounding,
        tied.set_no IS NOT NULL OR rounding.set_no IS NOT NULL OR coalesce(unknown.is_lone, false) AS is_open,
        tied.deciding_quantity,
        tied.amount_at_stake,
        overridden.set_no IS NOT NULL AS is_pinned,
        sets.contract_model IS NOT NULL AS is_model_stated
    FROM core_reading_scores AS leaders
    INNER JOIN core_sets AS sets USING (set_no)
    LEFT JOIN overridden ON overridden.set_no = leaders.set_no
    INNER JOIN core_reading_scores AS chosen
        ON chosen.set_no = leaders.set_no AND chosen.reading_no = coalesce(overridden.reading_no, leaders.reading_no)
    LEFT JOIN by_other_terms ON by_other_terms.set_no = chosen.set_no AND by_other_terms.reading_no = chosen.reading_no
    LEFT JOIN counted ON counted.set_no = leaders.set_no
    LEFT JOIN core_open_roundings AS rounding ON rounding.set_no = leaders.set_no
    LEFT JOIN core_unknown_tiers AS unknown ON unknown.set_no = leaders.set_no
    LEFT JOIN core_tied_candidates AS tied ON tied.set_no = leaders.set_no AND tied.reading_no = leaders.reading_no
    WHERE leaders.place = 1
)
SELECT
    evidence.set_no,
    evidence.reading_no,
    evidence.lines_total,
    evidence.lines_explained,
    evidence.departures,
    evidence.telling_lines,
    evidence.telling_lines_explained,
    CASE
        WHEN evidence.is_pinned THEN 'decided'
        WHEN NOT evidence.is_model_stated
            AND (evidence.telling_lines_explained + evidence.lines_of_open_rounding) * 2 < evidence.telling_lines
            THEN 'none_fits'
        WHEN evidence.is_open OR evidence.telling_lines = 0 THEN 'undecided'
        ELSE 'decided'
    END AS verdict,
    CASE WHEN NOT evidence.is_pinned THEN evidence.deciding_quantity END AS deciding_quantity,
    CASE WHEN NOT evidence.is_pinned THEN evidence.amount_at_stake END AS amount_at_stake,
    evidence.is_pinned,
    evidence.inferred_reading_no,
    evidence.plausibility = 'ordinary' AND evidence.lines_explained > 0 AND alone.set_no IS NOT NULL AS is_alone
FROM evidence
LEFT JOIN alone USING (set_no)
