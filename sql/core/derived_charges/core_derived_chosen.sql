-- One row per rate ladder of a derived charge: the interpretation that proves its lines.
-- It explains most telling lines; with an override, the candidates are those with its words. Undecided: a tied candidate would bill some
-- account differently, or fewer than two telling lines support it (one is enough if its Actual is the base too). None fits: it explains
-- less than half of the telling lines.
WITH overridden AS (
    SELECT scores.set_no, arg_min(scores.reading_no, (readings.plausibility, scores.place)) AS reading_no
    FROM core_overrides AS overrides
    INNER JOIN core_derived_scores AS scores USING (set_no)
    INNER JOIN core_derived_readings AS readings USING (reading_no)
    WHERE list_has_all(readings.words, overrides.words)
    GROUP BY scores.set_no
)
SELECT
    leaders.set_no,
    chosen.reading_no,
    chosen.lines_total,
    chosen.lines_explained,
    chosen.departures,
    chosen.telling_lines,
    chosen.telling_lines_explained,
    chosen.bases_stated,
    CASE
        WHEN overridden.set_no IS NULL AND chosen.telling_lines_explained * 2 < chosen.telling_lines
            THEN 'none_fits'
        WHEN overridden.set_no IS NULL AND tied.set_no IS NOT NULL THEN 'undecided'
        WHEN overridden.set_no IS NULL AND chosen.telling_lines_explained + least(chosen.bases_stated, 1) < 2 THEN 'undecided'
        ELSE 'decided'
    END AS verdict,
    overridden.set_no IS NOT NULL AS is_pinned
FROM core_derived_scores AS leaders
LEFT JOIN overridden USING (set_no)
INNER JOIN core_derived_scores AS chosen
    ON chosen.set_no = leaders.set_no AND chosen.reading_no = coalesce(overridden.reading_no, leaders.reading_no)
LEFT JOIN core_derived_tied_candidates AS tied ON tied.set_no = leaders.set_no AND tied.place = 1
WHERE leaders.place = 1
