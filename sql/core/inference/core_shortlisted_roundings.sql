-- One row per price list and rounding that passes the screening: at least three fifths of the lines of the best one, of its fees or of its
-- counted lines.
WITH best AS (
    SELECT set_no, rounding_no, max(lines_explained) AS lines_explained
    FROM core_screen_scores
    GROUP BY set_no, rounding_no
),
lists AS (
    SELECT sets.price_list_id, sets.kind = 'fee' AS is_fee, best.rounding_no, sum(best.lines_explained) AS lines_explained
    FROM best
    INNER JOIN core_sets AS sets USING (set_no)
    GROUP BY ALL
),
passed AS (
    SELECT price_list_id, rounding_no
    FROM lists
    QUALIFY lines_explained * 5 >= max(lines_explained) OVER (PARTITION BY price_list_id, is_fee) * 3
)
SELECT candidates.*
FROM core_candidate_roundings AS candidates
SEMI JOIN passed USING (price_list_id, rounding_no)
