-- One row per rate ladder of a derived charge and candidate interpretation: its results on the lines of core_derived_samples.
-- kept as: scratch
-- with: core_derived_lines = core_derived_samples, core_derived_shortlist = core_derived_candidates
SELECT
    set_no,
    reading_no,
    count(*) AS lines,
    count(*) FILTER (WHERE departures IS NOT NULL) AS lines_fit,
    count(*) FILTER (WHERE departures IS NOT NULL AND is_telling) AS lines_explained
FROM core_derived_trials
GROUP BY set_no, reading_no
