-- One row per entry of a closed month's corrections, booked or pending, with its place beside the other entry of its line.
-- kept as: scratch view
WITH entries AS (
    SELECT *
    FROM books_pending_lines
    UNION ALL BY NAME
    SELECT *
    FROM books_booked_lines
)
SELECT
    entries.*,
    if(entries.entry = 'reversal', 1, 2) AS place
FROM entries
