-- One row per schedule set and candidate reading that the screening leaves in the race.
-- Under its best rounding it explains at least three fifths of what the best candidate explains: with one line in twenty wrong the right one
-- does, by far. On small sets, where the screening is the whole trial, all remain.
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
ranked AS (
    SELECT
        set_no,
        reading_no,
        lines_explained,
        max(lines_explained) OVER (PARTITION BY set_no) AS most_lines,
        row_number() OVER (PARTITION BY set_no ORDER BY lines_explained DESC, reading_no) AS place
    FROM scores
    SEMI JOIN large USING (set_no)
)
SELECT set_no, reading_no
FROM ranked
WHERE lines_explained * 5 >= most_lines * 3 AND place <= 60
UNION ALL
SELECT set_no, reading_no
FROM core_set_readings
ANTI JOIN large USING (set_no)
