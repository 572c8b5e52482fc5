-- One row per schedule set and candidate reading: how it rounds its lines.
-- Of the roundings that the lines of its price list leave open it takes the one with which it explains most lines, of equals the list's
-- own: so a rounding that no line shows by itself leaves no reading out that is right with another. Readings of one rule round alike.
WITH contested AS (
    SELECT price_list_id
    FROM core_open_roundings
    GROUP BY price_list_id
    HAVING count(*) > 1
),
scores AS (
    SELECT set_no, reading_no, rounding_no, sum(lines_explained) AS lines_explained
    FROM (
        FROM core_screen_scores
        UNION ALL
        FROM core_trial_scores
    )
    GROUP BY set_no, reading_no, rounding_no
),
rules AS (
    SELECT
        readings.set_no,
        readings.rule_no,
        arg_max(open.rounding_no, (scores.lines_explained, -open.place)) AS rounding_no
    FROM contested
    INNER JOIN core_sets AS sets USING (price_list_id)
    INNER JOIN core_set_readings AS readings USING (set_no)
    INNER JOIN scores USING (set_no, reading_no)
    INNER JOIN core_open_roundings AS open ON open.price_list_id = sets.price_list_id AND open.rounding_no = scores.rounding_no
    GROUP BY readings.set_no, readings.rule_no
)
SELECT readings.set_no, readings.reading_no, roundings.rounding_no, roundings.rounding, roundings.scale, of_list.is_seen
FROM core_set_readings AS readings
INNER JOIN core_sets AS sets USING (set_no)
INNER JOIN core_price_list_roundings AS of_list USING (price_list_id)
LEFT JOIN rules ON rules.set_no = readings.set_no AND rules.rule_no = readings.rule_no
INNER JOIN core_roundings AS roundings ON roundings.rounding_no = coalesce(rules.rounding_no, of_list.rounding_no)
