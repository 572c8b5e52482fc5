-- One row per rate ladder and candidate interpretation that misses a line: the smallest such line, by Actual, and its case.
-- kept as: scratch
-- A line that it explains only with a departure counts as missed.
WITH tried_lines AS (
    SELECT scores.set_no, scores.reading_no, lines.trial_no
    FROM core_reading_ranks AS scores
    INNER JOIN core_trial_lines AS lines USING (set_no)
    WHERE lines.is_screened
    UNION ALL
    SELECT scores.set_no, scores.reading_no, lines.trial_no
    FROM core_reading_ranks AS scores
    SEMI JOIN core_shortlist USING (set_no, reading_no)
    INNER JOIN core_trial_lines AS lines USING (set_no)
    WHERE NOT lines.is_screened
),
missed_lines AS (
    -- lines are in order of Actual, so the first one missed is the smallest
    SELECT tried.set_no, tried.reading_no, min(tried.trial_no) AS trial_no
    FROM tried_lines AS tried
    ANTI JOIN core_fits AS fits
        ON fits.trial_no = tried.trial_no AND fits.reading_no = tried.reading_no AND fits.departures = 0
    GROUP BY tried.set_no, tried.reading_no
)
SELECT
    missed.set_no,
    missed.reading_no,
    missed.trial_no,
    trial_case(lines.quantity_no, readings.rule_no) AS case_id
FROM missed_lines AS missed
INNER JOIN core_trial_lines AS lines USING (trial_no)
INNER JOIN core_set_readings AS readings ON readings.set_no = missed.set_no AND readings.reading_no = missed.reading_no
