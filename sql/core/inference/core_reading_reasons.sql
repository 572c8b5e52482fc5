-- One row per rate ladder with lines: why its interpretation was chosen and what would change that, one sentence each.
-- `reason` counts the telling lines that the chosen interpretation explains, and those that the nearest interpretations of other models
-- miss (or, if there are none, of the same model): of each model, by the candidate that misses fewest. A model with a tied candidate is
-- not named. `change_words` counts the lines billed differently that would make the interpretation undecided, or names what would decide
-- it. Where contract_terms.csv states the model, both count among the interpretations of that model, and the reason names an excluded
-- model that fits more lines.
WITH chosen AS (
    SELECT chosen.*, readings.model, readings.reading_id, sets.contract_model
    FROM core_chosen_readings AS chosen
    INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
    INNER JOIN core_sets AS sets USING (set_no)
),
losers AS (
    SELECT
        scores.set_no,
        scores.place,
        readings.model,
        readings.reading_id,
        scores.telling_lines - scores.telling_lines_explained AS missed,
        scores.telling_lines,
        -- number of further lines explained by it alone that would make it a tied candidate
        (scores.lost - scores.lost % 2) * 0.5 - scores.gained + 1 AS lines_short,
        readings.model = chosen.model AS is_of_same_model,
        bool_and(readings.model = chosen.model) FILTER (WHERE NOT scores.is_tied) OVER (PARTITION BY scores.set_no) AS are_of_same_model,
        scores.is_tied,
        row_number() OVER (
            PARTITION BY scores.set_no, readings.model, scores.is_tied AND is_of_same_model
            ORDER BY scores.is_tied DESC, missed, scores.place
        ) AS place_in_model
    FROM core_reading_scores AS scores
    INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
    INNER JOIN chosen USING (set_no)
    -- of a large ladder, a candidate rejected by the screening has the screened lines alone
    SEMI JOIN core_shortlist AS shortlist ON shortlist.set_no = scores.set_no AND shortlist.reading_no = scores.reading_no
    WHERE scores.plausibility = 'ordinary'
        AND (scores.is_tied OR scores.lost > 0)
        AND scores.reading_no <> chosen.reading_no
),
named AS (
    SELECT
        set_no,
        string_agg(
            concat(
                reading_text(CASE WHEN is_of_same_model THEN reading_id ELSE model END), ' misses ',
                CASE
                    WHEN telling_lines = 1 THEN 'it'
                    WHEN missed = telling_lines THEN 'all ' || missed
                    ELSE concat(missed, ' of ', telling_lines)
                END
            ),
            ', ' ORDER BY place
        ) AS words
    FROM (
        SELECT *, row_number() OVER (PARTITION BY set_no ORDER BY place) AS named_place
        FROM losers
        WHERE place_in_model = 1 AND NOT is_tied AND (are_of_same_model OR NOT is_of_same_model) AND missed > 0
    )
    WHERE named_place <= 2
    GROUP BY set_no
),
nearest AS (
    SELECT
        set_no,
        arg_min(reading_text(CASE WHEN is_of_same_model THEN reading_id ELSE model END), (lines_short, place)) AS name,
        min(lines_short)::BIGINT AS lines_short
    FROM losers
    WHERE NOT is_tied
    GROUP BY set_no
),
places AS (
    -- whether all telling lines are past the first tier, and whether one of them shows the tier that it reaches
    SELECT
        evidence.set_no,
        bool_or(evidence.shown_tier = evidence.tier_reached) AS is_tier_shown,
        bool_and(lines.actual > sets.first_maximum + sets.allowance) AND any_value(sets.tiers) > 1 AND any_value(sets.first_maximum) > 0
            AS is_past_first_tier,
        any_value(sets.first_maximum + sets.allowance) AS first_bound
    FROM core_trial_evidence AS evidence
    INNER JOIN core_trial_lines AS lines USING (trial_no)
    INNER JOIN core_sets AS sets ON sets.set_no = evidence.set_no
    WHERE evidence.is_telling
    GROUP BY evidence.set_no
),
excluded AS (
    SELECT
        scores.set_no,
        concat(
            '; ', reading_text(readings.model), ', which the contract excludes, fits ', scores.lines_explained, ' of ', scores.lines_total,
            CASE WHEN scores.lines_total = 1 THEN ' line' ELSE ' lines' END
        ) AS words
    FROM core_reading_scores AS scores
    INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
    INNER JOIN chosen USING (set_no)
    WHERE scores.plausibility = 'excluded'
        AND scores.lines_explained > chosen.lines_explained
        -- terms of another model may hold as well
        AND scores.set_no NOT IN (SELECT set_no FROM core_tied_sets)
    QUALIFY row_number() OVER (PARTITION BY scores.set_no ORDER BY scores.place) = 1
),
open_readings AS (
    SELECT tied.set_no, few_text(list(reading_text(readings.reading_id) ORDER BY tied.place)) AS words
    FROM core_tied_candidates AS tied
    INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
    GROUP BY tied.set_no
)
SELECT
    chosen.set_no,
    CASE
        WHEN chosen.is_pinned THEN 'set by hand in pinned_readings.csv'
        ELSE concat(
            reading_text(chosen.contract_model) || ' is stated by contract_terms.csv; ',
            CASE
                WHEN chosen.telling_lines = 0 AND unknown.set_no IS NOT NULL AND open_readings.words IS NULL
                    THEN 'the lines depend on tiers that no source gives'
                WHEN chosen.telling_lines = 0 AND open_readings.words IS NULL THEN 'no line bills anything'
                WHEN chosen.telling_lines = 0
                    THEN concat(
                        'no telling line: the interpretations bill ',
                        CASE WHEN chosen.lines_total = 1 THEN 'the only line' ELSE concat('each of the ', chosen.lines_total, ' lines') END, ' alike'
                    )
                ELSE concat(
                    chosen.telling_lines_explained, ' of ', chosen.telling_lines,
                    CASE
                        WHEN places.is_past_first_tier
                            THEN concat(CASE WHEN chosen.telling_lines = 1 THEN ' line past ' ELSE ' lines past ' END, grouped_text(places.first_bound))
                        WHEN chosen.telling_lines = 1 THEN ' telling line'
                        ELSE ' telling lines'
                    END,
                    CASE WHEN chosen.telling_lines = 1 THEN ' fits ' ELSE ' fit ' END, reading_text(chosen.model),
                    CASE
                        WHEN chosen.departures > 0
                            THEN concat(
                                CASE
                                    WHEN chosen.lines_total = 1 THEN '; on the only line'
                                    ELSE concat('; on ', chosen.departures, ' of all ', chosen.lines_total, ' lines')
                                END,
                                ' with one number of the terms replaced or left out'
                            )
                        ELSE ''
                    END,
                    '; ' || named.words
                )
            END,
            excluded.words
        )
    END AS reason,
    CASE
        WHEN chosen.is_pinned THEN 'delete the row to let the lines decide'
        WHEN chosen.verdict = 'undecided' AND unknown.is_lone
            THEN 'one tier of the ladder is known alone: ask the vendor for the price list, or wait for lines of other tiers'
        WHEN chosen.telling_lines = 0 AND unknown.set_no IS NOT NULL AND open_readings.words IS NULL
            THEN 'ask the vendor for the price list, or wait for lines of other tiers'
        WHEN chosen.telling_lines = 0 AND open_readings.words IS NULL THEN 'a line that bills something would decide it'
        WHEN chosen.verdict = 'undecided' AND open_readings.words IS NULL
            THEN 'the rounding is open: ask the vendor, or wait for more lines with parts of a cent'
        WHEN chosen.verdict = 'undecided' THEN concat(
            'tied: ', open_readings.words, '; two lines', coalesce(' of ' || grouped_text(chosen.deciding_quantity), ''),
            CASE WHEN places.is_tier_shown THEN '' ELSE ', or one that shows its tier,' END, ' would rule some of them out'
        )
        WHEN chosen.verdict = 'none_fits' THEN 'ask the vendor how the terms are meant'
        WHEN nearest.lines_short IS NULL THEN 'only other terms would change it'
        ELSE concat(
            nearest.lines_short, ' more', CASE WHEN nearest.lines_short = 1 THEN ' line' ELSE ' lines' END, ' billed by ', nearest.name,
            ' would make it undecided'
        )
    END AS change_words
FROM chosen
LEFT JOIN named USING (set_no)
LEFT JOIN nearest USING (set_no)
LEFT JOIN places USING (set_no)
LEFT JOIN excluded USING (set_no)
LEFT JOIN open_readings USING (set_no)
LEFT JOIN core_unknown_tiers AS unknown USING (set_no)
