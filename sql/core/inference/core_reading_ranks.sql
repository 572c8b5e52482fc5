-- One row per rate ladder with lines and candidate interpretation: the number of lines it explains, and its place.
-- kept as: scratch
-- Most lines first; of equals, fewest departures (core_fits), ordinary before remote, then the order of reference_readings. An
-- interpretation that does not use a stated number, or has another model than the contract states, is after all others.
-- A candidate rejected by the screening of a large ladder has only the screened lines, and no better place.
WITH tried AS (
    SELECT set_no, sum(lines) AS lines_total, sum(lines) FILTER (WHERE is_screened) AS lines_screened
    FROM core_trial_lines
    GROUP BY set_no
),
scores AS (
    SELECT set_no, reading_no, sum(lines) AS lines_explained, coalesce(sum(lines) FILTER (WHERE departures > 0), 0) AS departures
    FROM core_fits
    GROUP BY set_no, reading_no
)
SELECT
    readings.set_no,
    readings.reading_no,
    readings.plausibility,
    shortlist.reading_no IS NOT NULL AS is_shortlisted,
    CASE WHEN shortlist.reading_no IS NULL THEN tried.lines_screened ELSE tried.lines_total END::BIGINT AS lines_total,
    coalesce(scores.lines_explained, 0)::BIGINT AS lines_explained,
    coalesce(scores.departures, 0)::BIGINT AS departures,
    row_number() OVER (
        PARTITION BY readings.set_no
        ORDER BY
            readings.plausibility IN ('departure', 'excluded'), shortlist.reading_no IS NULL, coalesce(scores.lines_explained, 0) DESC,
            coalesce(scores.departures, 0), readings.plausibility, readings.reading_no
    ) AS place
FROM core_set_readings AS readings
INNER JOIN tried USING (set_no)
LEFT JOIN core_shortlist AS shortlist USING (set_no, reading_no)
LEFT JOIN scores USING (set_no, reading_no)
