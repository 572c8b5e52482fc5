-- One row per rate ladder and interpretation that its lines leave open, the best one included: its rule and its rounding.
-- kept as: scratch
-- `place` 1 is the best.
SELECT
    scores.set_no,
    scores.reading_no,
    scores.place,
    readings.rule_no,
    readings.ladder_id,
    readings.case_reading_id,
    readings.model,
    readings.billed_in,
    readings.lone_bounds,
    readings.allowance_rule,
    roundings.rounding_no,
    roundings.rounding,
    roundings.scale,
    roundings.unit,
    roundings.half
FROM core_reading_scores AS scores
INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
INNER JOIN core_reading_roundings AS own ON own.set_no = scores.set_no AND own.reading_no = scores.reading_no
INNER JOIN core_roundings AS roundings ON roundings.rounding_no = own.rounding_no
WHERE scores.is_tied
