-- One row per rate ladder of derived charges and candidate interpretation: the number of lines it explains, its place, and whether it is
-- tied (core_derived_ranks).
-- `telling_lines` are those of core_derived_telling_lines, the same for all candidates but for lines with an unknown base, which are
-- evidence only for the interpretations that they fit; `telling_lines_explained` those of them that the interpretation explains.
WITH told AS (
    SELECT
        trials.set_no,
        trials.reading_no,
        count(*) FILTER (WHERE departures IS NOT NULL OR NOT is_base_open) AS telling_lines,
        count(*) FILTER (WHERE departures IS NOT NULL) AS telling_lines_explained
    FROM core_derived_trials AS trials
    SEMI JOIN core_derived_telling_lines
        USING (set_no, network_id, mailbox_id, reporting_month, account_report, measure_field)
    GROUP BY trials.set_no, trials.reading_no
)
SELECT
    ranks.*,
    coalesce(told.telling_lines, 0) AS telling_lines,
    coalesce(told.telling_lines_explained, 0) AS telling_lines_explained
FROM core_derived_ranks AS ranks
LEFT JOIN told USING (set_no, reading_no)
