-- One row per price list and rounding that the screening leaves in the race: at least three fifths of the best one's lines.
WITH scores AS (
    SELECT sets.price_list_id, fits.rounding_no, fits.set_no, fits.reading_no, sum(fits.lines) AS lines_explained
    FROM core_screen_fits AS fits
    INNER JOIN core_sets AS sets USING (set_no)
    GROUP BY ALL
),
best AS (
    SELECT price_list_id, rounding_no, set_no, max(lines_explained) AS lines_explained
    FROM scores
    GROUP BY ALL
),
lists AS (
    SELECT price_list_id, rounding_no, sum(lines_explained) AS lines_explained
    FROM best
    GROUP BY ALL
)
SELECT candidates.*
FROM core_candidate_roundings AS candidates
INNER JOIN lists USING (price_list_id, rounding_no)
QUALIFY lists.lines_explained * 5 >= max(lists.lines_explained) OVER (PARTITION BY candidates.price_list_id) * 3
