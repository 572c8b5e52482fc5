-- One row per candidate reading, rounding and group of lines (core_trial_lines) that they reproduce, screened and on trial.
-- kept as: view
SELECT set_no, trial_no, lines, reading_no, rounding_no
FROM core_screen_fits
UNION ALL
SELECT set_no, trial_no, lines, reading_no, rounding_no
FROM core_trial_fits
