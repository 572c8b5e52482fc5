-- One row per FOCUS charge of a closed month's corrections, booked or pending; see books_line_entries.
-- kept as: scratch view
-- The interpretation's sentence is left out: months closed by earlier releases lack it, and what is booked keeps its bytes.
WITH entries AS (
    SELECT *
    FROM books_pending_focus
    UNION ALL BY NAME
    SELECT *
    FROM books_booked_focus
)
SELECT
    COLUMNS(lambda name: name <> 'x_ReadingWords'),
    if("x_Entry" = 'reversal', 1, 2) AS place
FROM entries
