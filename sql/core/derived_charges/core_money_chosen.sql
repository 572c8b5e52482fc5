-- One row per rate ladder of a derived charge: the interpretation that proves its lines.
-- It explains most telling lines; with an override, the candidates are those with its words. Undecided: a tied candidate would bill some
-- account differently, or fewer than two telling lines support it (one is enough if its Actual is the base too). None fits: it explains
-- less than half of the telling lines.
WITH pinned AS (
    SELECT scores.set_no, arg_min(scores.reading_no, (readings.plausibility, scores.place)) AS reading_no
    FROM core_pins AS pins
    INNER JOIN core_money_scores AS scores USING (set_no)
    INNER JOIN core_money_readings AS readings USING (reading_no)
    WHERE list_has_all(readings.words, pins.words)
    GROUP BY scores.set_no
)
SELECT
    leaders.set_no,
    chosen.reading_no,
    chosen.lines_total,
    chosen.lines_explained,
    chosen.departures,
    chosen.telling_lines,
    chosen.telling_lines_explained,
    chosen.bases_stated,
    CASE
        WHEN pinned.set_no IS NULL AND chosen.telling_lines_explained * 2 < chosen.telling_lines
            THEN 'none_fits'
        WHEN pinned.set_no IS NULL AND rivals.set_no IS NOT NULL THEN 'undecided'
        WHEN pinned.set_no IS NULL AND chosen.telling_lines_explained + least(chosen.bases_stated, 1) < 2 THEN 'undecided'
        ELSE 'decided'
    END AS verdict,
    pinned.set_no IS NOT NULL AS is_pinned
FROM core_money_scores AS leaders
LEFT JOIN pinned USING (set_no)
INNER JOIN core_money_scores AS chosen
    ON chosen.set_no = leaders.set_no AND chosen.reading_no = coalesce(pinned.reading_no, leaders.reading_no)
LEFT JOIN core_money_rivals AS rivals ON rivals.set_no = leaders.set_no AND rivals.place = 1
WHERE leaders.place = 1
