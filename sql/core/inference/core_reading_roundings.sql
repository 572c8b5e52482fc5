-- One row per rate ladder and candidate interpretation: its rounding.
-- Of the roundings that fit the fees of its price list, or its counted lines, whichever the ladder prices (core_fitting_roundings), the one
-- with which it explains most lines; of equals, the list's own. So an unseen rounding rejects no interpretation that is correct with
-- another. Interpretations of one rule have the same rounding.
WITH contested AS (
    SELECT price_list_id, is_fee
    FROM core_fitting_roundings
    GROUP BY price_list_id, is_fee
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
    INNER JOIN core_sets AS sets ON sets.price_list_id = contested.price_list_id AND (sets.kind = 'fee') = contested.is_fee
    INNER JOIN core_set_readings AS readings USING (set_no)
    INNER JOIN scores USING (set_no, reading_no)
    INNER JOIN core_fitting_roundings AS open
        ON open.price_list_id = contested.price_list_id AND open.is_fee = contested.is_fee AND open.rounding_no = scores.rounding_no
    GROUP BY readings.set_no, readings.rule_no
)
SELECT readings.set_no, readings.reading_no, roundings.rounding_no, roundings.rounding, roundings.scale, of_list.is_settled AS is_seen
FROM core_set_readings AS readings
INNER JOIN core_sets AS sets USING (set_no)
INNER JOIN core_fitting_roundings AS of_list
    ON of_list.price_list_id = sets.price_list_id AND of_list.is_fee = (sets.kind = 'fee') AND of_list.place = 1
LEFT JOIN rules ON rules.set_no = readings.set_no AND rules.rule_no = readings.rule_no
INNER JOIN core_roundings AS roundings ON roundings.rounding_no = coalesce(rules.rounding_no, of_list.rounding_no)
