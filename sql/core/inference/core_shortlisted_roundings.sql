-- One row per price list and rounding that passes the screening: at least three fifths of the best one's lines.
WITH best AS (
    SELECT set_no, rounding_no, max(lines_explained) AS lines_explained
    FROM core_screen_scores
    GROUP BY set_no, rounding_no
),
lists AS (
    SELECT sets.price_list_id, best.rounding_no, sum(best.lines_explained) AS lines_explained
    FROM best
    INNER JOIN core_sets AS sets USING (set_no)
    GROUP BY ALL
)
SELECT candidates.*
FROM core_candidate_roundings AS candidates
INNER JOIN lists USING (price_list_id, rounding_no)
QUALIFY lists.lines_explained * 5 >= max(lists.lines_explained) OVER (PARTITION BY candidates.price_list_id) * 3
