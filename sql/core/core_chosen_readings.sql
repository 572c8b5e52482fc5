-- One row per schedule set with lines: the reading that its lines are proved by, and how sure that is.
-- verdict: none_fits where the leader explains fewer than half of the lines, undecided where it has rivals that bill some
-- quantity otherwise, else decided.
SELECT
    scores.set_no,
    scores.reading_no,
    scores.lines_total,
    scores.lines_explained,
    CASE
        WHEN scores.lines_explained * 2 < scores.lines_total THEN 'none_fits'
        WHEN rivals.set_no IS NOT NULL THEN 'undecided'
        ELSE 'decided'
    END AS verdict,
    rivals.deciding_quantity,
    rivals.amount_at_stake,
    false AS is_pinned
FROM core_reading_scores AS scores
LEFT JOIN core_rivals AS rivals USING (set_no, reading_no)
WHERE scores.place = 1
