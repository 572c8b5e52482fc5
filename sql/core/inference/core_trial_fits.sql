-- One row per reading on trial and group of lines (core_trial_lines) that it reproduces: quantity billed, and amount by `roundings`.
-- kept as: scratch
-- with: core_screen_rated = core_trial_rated, core_candidate_roundings = core_shortlisted_roundings
SELECT set_no, trial_no, lines, reading_no, is_changed, roundings
FROM core_screen_fits
SEMI JOIN core_shortlist USING (set_no, reading_no)
