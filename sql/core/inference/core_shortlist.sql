-- One row per schedule set and candidate reading that the screening leaves in the race.
-- Under its best rounding it explains at least three fifths of what the best candidate explains: with one line in twenty wrong the right one
-- does, by far. What it explains with a number left out counts too, and with a reading in the race are those that leave a number of
-- it out. On small sets, where the screening is the whole trial, all remain.
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
