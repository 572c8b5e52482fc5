-- One row per entry of a closed month's corrections, booked or pending, with its place beside the other entry of its line.
-- kept as: scratch view
-- Columns that months closed by earlier releases lack are left out: what is booked keeps its bytes.
WITH entries AS (
    SELECT *
    FROM books_pending_lines
    UNION ALL BY NAME
    SELECT *
    FROM books_booked_lines
)
SELECT
    COLUMNS(lambda name: name NOT IN ('reading_words', 'line_date', 'invoice_number', 'currency')),
    if(entry = 'reversal', 1, 2) AS place
FROM entries
