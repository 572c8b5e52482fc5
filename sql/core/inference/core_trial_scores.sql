-- One row per reading on trial and rounding that reproduce lines of the trial: how many, without those of the screening.
-- kept as: scratch
-- with: core_screen_fits = core_trial_fits
SELECT set_no, reading_no, rounding_no, lines_explained
FROM core_screen_scores
