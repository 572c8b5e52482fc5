-- One row per candidate that passes the screening, and rounding: the number of screened lines that it reproduces.
-- kept as: scratch
WITH fits AS (
    SELECT set_no, reading_no, roundings, sum(lines) AS lines
    FROM core_screen_fits
    SEMI JOIN core_shortlist USING (set_no, reading_no)
    GROUP BY set_no, reading_no, roundings
),
rounded AS (
    SELECT set_no, reading_no, unnest(roundings) AS rounding_no, lines
    FROM fits
)
SELECT set_no, reading_no, rounding_no, sum(lines) AS lines_explained
FROM rounded
GROUP BY set_no, reading_no, rounding_no
