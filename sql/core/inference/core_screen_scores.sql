-- One row per candidate reading and rounding that reproduce lines of the screening: how many.
WITH fits AS (
    SELECT set_no, reading_no, roundings, sum(lines) AS lines
    FROM core_screen_fits
    GROUP BY set_no, reading_no, roundings
),
rounded AS (
    SELECT set_no, reading_no, unnest(roundings) AS rounding_no, lines
    FROM fits
)
SELECT set_no, reading_no, rounding_no, sum(lines) AS lines_explained
FROM rounded
GROUP BY set_no, reading_no, rounding_no
