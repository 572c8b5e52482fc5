-- One row per rate ladder, interpretation that rates its lines, and role in which it does: ladder, rule and allowance for the rating.
-- role: chosen, the interpretation that proves the lines; tied, one that an undecided verdict leaves open, or the chosen one on the
-- ladder of terms that may hold as well (core_tied_sets); inferred, what the lines alone would choose where the user has an override;
-- candidate, each one that prices like the leader, by rates or by fees of steps, where no interpretation fits the lines.
WITH used AS (
    SELECT set_no, set_no AS rated_set_no, set_no AS reading_set_no, reading_no, 'chosen' AS role
    FROM core_chosen_readings
    WHERE verdict <> 'none_fits' OR is_alone
    UNION ALL
    SELECT chosen.set_no, tied.other_set_no, chosen.set_no, chosen.reading_no, 'tied'
    FROM core_chosen_readings AS chosen
    INNER JOIN core_tied_sets AS tied USING (set_no)
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
        AND is_fee_model(readings.model) = is_fee_model(leader.model)
    WHERE chosen.verdict = 'none_fits' AND NOT chosen.is_alone
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
