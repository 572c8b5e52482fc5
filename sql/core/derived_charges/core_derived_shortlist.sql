-- One row per rate ladder of a derived charge and candidate interpretation that is tried on all its lines: at most 60.
-- On the sample it explains at least three fifths of the lines that the best candidate explains (core_shortlist), or one line less: one
-- line is no evidence. The user's override is always kept.
WITH ranked AS (
    SELECT
        *,
        max(lines_fit) OVER (PARTITION BY set_no) AS most_fit,
        max(lines_explained) OVER (PARTITION BY set_no) AS most_explained,
        row_number() OVER (PARTITION BY set_no ORDER BY lines_explained DESC, lines_fit DESC, reading_no) AS place
    FROM core_derived_screened
)
SELECT ranked.set_no, ranked.reading_no
FROM ranked
INNER JOIN core_derived_readings AS readings USING (reading_no)
LEFT JOIN core_overrides AS overrides USING (set_no)
WHERE (
    (lines_fit * 5 >= most_fit * 3 OR lines_fit + 1 = most_fit)
    AND (lines_explained * 5 >= most_explained * 3 OR lines_explained + 1 = most_explained)
    AND place <= 60
)
    OR place = 1
    OR coalesce(list_has_all(readings.words, overrides.words), false)
