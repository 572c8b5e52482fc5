-- One row per FOCUS charge of a closed month's corrections, booked or pending; see books_line_entries.
-- kept as: scratch view
WITH entries AS (
    SELECT *
    FROM books_pending_focus
    UNION ALL BY NAME
    SELECT *
    FROM books_booked_focus
)
SELECT
    entries.*,
    if(entries."x_Entry" = 'reversal', 1, 2) AS place
FROM entries
