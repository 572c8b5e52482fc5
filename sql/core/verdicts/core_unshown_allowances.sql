-- One row per volume-priced rate ladder whose allowance no line shows: most lines fit a free tier, and also fit without the allowance.
-- The interpretation is undecided: a free tier in front leads because it has no departures, and one that takes the allowance off is tied,
-- with departures on at least half of the lines (core_reading_scores). So the allowance may be left out of every line. Usage that is
-- billed 0 shows the allowance, in one way or the other.
SELECT DISTINCT chosen.set_no
FROM core_chosen_readings AS chosen
INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
INNER JOIN core_tied_candidates AS tied ON tied.set_no = chosen.set_no
INNER JOIN core_set_readings AS other ON other.set_no = tied.set_no AND other.reading_no = tied.reading_no
INNER JOIN core_reading_scores AS scores ON scores.set_no = tied.set_no AND scores.reading_no = tied.reading_no
WHERE chosen.verdict = 'undecided'
    AND readings.allowance_rule = 'free_tier'
    AND other.allowance_rule IN ('before_blocks', 'after_blocks')
    AND scores.departures > 0
    AND scores.departures * 2 >= scores.lines_explained
    AND NOT EXISTS (
        FROM core_trial_evidence AS evidence
        INNER JOIN core_trial_lines AS lines USING (trial_no)
        WHERE evidence.set_no = chosen.set_no AND lines.actual > 0 AND lines.amount = 0
    )
