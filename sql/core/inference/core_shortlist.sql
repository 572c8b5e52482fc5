-- One row per rate ladder and candidate interpretation that passes the screening.
-- With its best rounding it explains at least three fifths of the lines that the best candidate explains; with one wrong line in twenty the
-- correct one is far above that. Lines explained with a number left out count too, and the variants of a candidate without a number pass
-- with it. On small ladders, where the screening is the whole trial, all pass.
WITH scores AS (
    SELECT set_no, reading_no, max(lines_explained) AS lines_explained
    FROM core_screen_scores
    GROUP BY set_no, reading_no
),
large AS (
    SELECT set_no
    FROM core_trial_quantities
    GROUP BY set_no
    HAVING NOT bool_and(is_screened)
),
screened AS (
    SELECT set_no, sum(lines) AS lines
    FROM core_trial_lines
    SEMI JOIN large USING (set_no)
    WHERE is_screened
    GROUP BY set_no
),
left_out AS (
    SELECT departures.set_no, departures.reading_no, max(scores.lines_explained) AS lines_explained
    FROM core_reading_departures AS departures
    SEMI JOIN large USING (set_no)
    INNER JOIN scores ON scores.set_no = departures.set_no AND scores.reading_no = departures.departed_reading_no
    GROUP BY departures.set_no, departures.reading_no
),
explained AS (
    SELECT
        readings.set_no,
        readings.reading_no,
        -- a line may be explained both ways
        least(coalesce(scores.lines_explained, 0) + coalesce(left_out.lines_explained, 0), screened.lines) AS lines_explained
    FROM core_set_readings AS readings
    INNER JOIN screened USING (set_no)
    LEFT JOIN scores USING (set_no, reading_no)
    LEFT JOIN left_out USING (set_no, reading_no)
    WHERE readings.plausibility <> 'departure'
),
ranked AS (
    SELECT
        set_no,
        reading_no,
        lines_explained,
        max(lines_explained) OVER (PARTITION BY set_no) AS most_lines,
        row_number() OVER (PARTITION BY set_no ORDER BY lines_explained DESC, reading_no) AS place
    FROM explained
),
remaining AS (
    SELECT set_no, reading_no
    FROM ranked
    WHERE lines_explained > 0 AND lines_explained * 5 >= most_lines * 3 AND place <= 60
)
SELECT set_no, reading_no
FROM remaining
UNION
SELECT departures.set_no, departures.departed_reading_no
FROM core_reading_departures AS departures
SEMI JOIN remaining USING (set_no, reading_no)
UNION ALL
SELECT set_no, reading_no
FROM core_set_readings
ANTI JOIN large USING (set_no)
