-- One row per reading on trial, rounding and group of lines (core_trial_lines) that they reproduce: quantity billed and amount.
-- with: core_screen_cases = core_trial_cases, core_screen_rated = core_trial_rated, core_candidate_roundings = core_shortlisted_roundings
SELECT set_no, trial_no, lines, reading_no, rounding_no
FROM core_screen_fits
SEMI JOIN core_shortlist USING (set_no, reading_no)
