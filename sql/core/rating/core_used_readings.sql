-- One row per rate ladder, interpretation that rates its lines, and role in which it does: ladder, rule and allowance for the rating.
-- role: chosen, the interpretation that proves the lines; tied, one that an undecided verdict leaves open, or the chosen one on the
-- ladder of terms that may hold as well (core_tied_sets), or the best one of the model that the contract states for these; inferred, what
-- the lines alone would choose where the user has an override;
-- candidate, each one that prices like the leader, by rates or by fees of steps, where no interpretation fits the lines; other, on
-- other terms in force that may price a line (core_other_terms), the one that proves their own lines, or, if there are none, the chosen one,
-- or, where a contract states the model of one of the two alone, the best one of each model that may hold, by rates or by fees. Where the
-- other terms have more tiers or fewer and no lines, each of their ordinary ones: the chosen one may have no use for tiers.
WITH open_sets AS (
    SELECT DISTINCT set_no, other_set_no
    FROM core_other_terms
    WHERE is_open
),
of_models AS (
    SELECT scores.set_no, readings.model, arg_min(scores.reading_no, scores.place) AS reading_no
    FROM core_reading_scores AS scores
    INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
    SEMI JOIN (
        SELECT set_no FROM core_tied_sets
        UNION ALL
        SELECT set_no FROM open_sets
    ) AS tied ON tied.set_no = scores.set_no
    WHERE scores.plausibility <> 'departure'
    GROUP BY scores.set_no, readings.model
),
used AS (
    SELECT set_no, set_no AS rated_set_no, set_no AS reading_set_no, reading_no, 'chosen' AS role
    FROM core_chosen_readings
    WHERE verdict <> 'none_fits' OR is_alone
    UNION ALL
    SELECT chosen.set_no, tied.other_set_no, chosen.set_no, coalesce(of_model.reading_no, chosen.reading_no), 'tied'
    FROM core_chosen_readings AS chosen
    INNER JOIN core_tied_sets AS tied USING (set_no)
    INNER JOIN core_sets AS others ON others.set_no = tied.other_set_no
    LEFT JOIN of_models AS of_model ON of_model.set_no = chosen.set_no AND of_model.model = others.contract_model
    WHERE chosen.verdict <> 'none_fits'
    UNION ALL
    SELECT tied.set_no, tied.set_no, tied.set_no, tied.reading_no, 'tied'
    FROM core_tied_candidates AS tied
    INNER JOIN core_chosen_readings AS chosen USING (set_no)
    WHERE chosen.verdict = 'undecided' AND tied.reading_no <> chosen.reading_no
    UNION ALL
    SELECT set_no, set_no, set_no, inferred_reading_no, 'inferred'
    FROM core_chosen_readings
    WHERE inferred_reading_no <> reading_no
    UNION ALL
    SELECT chosen.set_no, chosen.set_no, chosen.set_no, readings.reading_no, 'candidate'
    FROM core_chosen_readings AS chosen
    ANTI JOIN core_tied_sets USING (set_no)
    INNER JOIN core_set_readings AS leader ON leader.set_no = chosen.set_no AND leader.reading_no = chosen.reading_no
    INNER JOIN core_set_readings AS readings
        ON readings.set_no = chosen.set_no
        AND (readings.reading_no = chosen.reading_no OR readings.plausibility = 'ordinary')
        AND (readings.model IN ('unit', 'volume', 'graduated')) = (leader.model IN ('unit', 'volume', 'graduated'))
    WHERE chosen.verdict = 'none_fits' AND NOT chosen.is_alone
    UNION ALL
    SELECT other.set_no, other.other_set_no, other.other_set_no, theirs.reading_no, 'other'
    FROM open_sets AS other
    INNER JOIN (
        SELECT set_no, reading_no
        FROM core_chosen_readings
        UNION
        SELECT tied.set_no, tied.reading_no
        FROM core_tied_candidates AS tied
        INNER JOIN core_chosen_readings AS chosen USING (set_no)
        WHERE chosen.verdict = 'undecided'
    ) AS theirs ON theirs.set_no = other.other_set_no
    UNION ALL
    SELECT other.set_no, other.other_set_no, other.set_no, coalesce(of_models.reading_no, chosen.reading_no), 'other'
    FROM open_sets AS other
    INNER JOIN core_chosen_readings AS chosen USING (set_no)
    INNER JOIN core_sets AS own USING (set_no)
    INNER JOIN core_sets AS others ON others.set_no = other.other_set_no
    LEFT JOIN of_models
        ON of_models.set_no = other.set_no
        AND (
            of_models.model = others.contract_model
            OR (
                others.contract_model IS NULL
                AND (of_models.model IN ('stairstep', 'stacked_flat')) = (own.contract_model IN ('stairstep', 'stacked_flat'))
            )
        )
    ANTI JOIN core_chosen_readings AS theirs ON theirs.set_no = other.other_set_no
    WHERE own.tiers = others.tiers
    UNION ALL
    SELECT other.set_no, other.other_set_no, other.other_set_no, readings.reading_no, 'other'
    FROM open_sets AS other
    INNER JOIN core_chosen_readings AS chosen USING (set_no)
    INNER JOIN core_set_readings AS leader ON leader.set_no = chosen.set_no AND leader.reading_no = chosen.reading_no
    INNER JOIN core_sets AS own ON own.set_no = other.set_no
    INNER JOIN core_sets AS others ON others.set_no = other.other_set_no AND others.tiers <> own.tiers
    INNER JOIN core_set_readings AS readings
        ON readings.set_no = other.other_set_no
        AND readings.plausibility = 'ordinary'
        AND (
            others.contract_model IS NOT NULL
            OR (readings.model IN ('stairstep', 'stacked_flat')) = (leader.model IN ('stairstep', 'stacked_flat'))
        )
    ANTI JOIN core_chosen_readings AS theirs ON theirs.set_no = other.other_set_no
)
SELECT
    used.set_no,
    used.rated_set_no,
    used.reading_no,
    used.role,
    readings.billed_in,
    readings.lone_bounds,
    readings.ladder_id + (used.rated_set_no - used.reading_set_no)::BIGINT * 4 AS ladder_id,
    readings.case_reading_id || '.' || roundings.rounding || roundings.scale AS reading_id,
    sets.allowance,
    case_allowance(readings.allowance_rule, readings.lone_bounds, sets.allowance) AS rated_allowance,
    sets.first_minimum,
    sets.first_maximum
FROM used
INNER JOIN core_set_readings AS readings ON readings.set_no = used.reading_set_no AND readings.reading_no = used.reading_no
INNER JOIN core_sets AS sets ON sets.set_no = used.rated_set_no
INNER JOIN core_reading_roundings AS roundings ON roundings.set_no = used.reading_set_no AND roundings.reading_no = used.reading_no
