-- One row per rate ladder, other ladder in force beside it (core_other_terms), and interpretation by which that one may price its lines.
-- kept as: scratch
-- Admissible are the interpretations that prove the lines of the other terms, or that these leave open; if there are none, or they explain
-- no half of them, each ordinary one, of the model of the line's own terms where their lines decide it and no contract states another.
WITH theirs AS (
    SELECT set_no, reading_no
    FROM core_chosen_readings
    WHERE verdict <> 'none_fits'
    UNION
    SELECT tied.set_no, tied.reading_no
    FROM core_tied_candidates AS tied
    INNER JOIN core_chosen_readings AS chosen USING (set_no)
    WHERE chosen.verdict = 'undecided'
)
SELECT other.set_no, other.other_set_no, theirs.reading_no
FROM (SELECT DISTINCT set_no, other_set_no FROM core_other_terms) AS other
INNER JOIN theirs ON theirs.set_no = other.other_set_no
UNION ALL
SELECT other.set_no, other.other_set_no, readings.reading_no
FROM (SELECT DISTINCT set_no, other_set_no FROM core_other_terms) AS other
ANTI JOIN theirs ON theirs.set_no = other.other_set_no
INNER JOIN core_sets AS own ON own.set_no = other.set_no
INNER JOIN core_sets AS others ON others.set_no = other.other_set_no
LEFT JOIN core_chosen_readings AS chosen ON chosen.set_no = other.set_no
LEFT JOIN core_set_readings AS leader ON leader.set_no = chosen.set_no AND leader.reading_no = chosen.reading_no
INNER JOIN core_set_readings AS readings
    ON readings.set_no = other.other_set_no
    -- a fee per step on one tier is remote, unless the other ladder has such fees
    AND (
        readings.plausibility = 'ordinary'
        OR (readings.plausibility = 'remote' AND is_fee_model(leader.model))
    )
    AND (
        others.contract_model IS NOT NULL
        OR leader.model IS NULL
        OR readings.model = leader.model
        OR (
            is_fee_model(readings.model) = is_fee_model(leader.model)
            AND (chosen.verdict <> 'decided' OR own.contract_model IS NOT NULL OR own.tiers = 1 OR others.tiers = 1)
        )
    )
