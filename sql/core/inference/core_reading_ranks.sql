-- One row per schedule set with lines and candidate reading: how many of the lines tried it explains, and its place.
-- Most lines first; of equals the one with fewest departures (core_fits), an ordinary reading before a remote one, then the order of
-- reference_readings. A reading that leaves a stated number without use comes after all that use it.
-- A candidate that the screening of a large set left behind has the lines that it was screened on, and no better place.
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
            readings.plausibility = 'departure', shortlist.reading_no IS NULL, coalesce(scores.lines_explained, 0) DESC,
            coalesce(scores.departures, 0), readings.plausibility, readings.reading_no
    ) AS place
FROM core_set_readings AS readings
INNER JOIN tried USING (set_no)
LEFT JOIN core_shortlist AS shortlist USING (set_no, reading_no)
LEFT JOIN scores USING (set_no, reading_no)
