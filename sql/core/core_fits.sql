-- One row per candidate reading and group of lines (core_trial_lines) that it reproduces, as its price list rounds.
-- kept as: scratch
WITH fits AS (
    SELECT set_no, trial_no, lines, reading_no, roundings
    FROM core_screen_fits
    UNION ALL
    SELECT set_no, trial_no, lines, reading_no, roundings
    FROM core_trial_fits
)
SELECT fits.set_no, fits.reading_no, fits.trial_no, fits.lines
FROM fits
INNER JOIN core_sets AS sets USING (set_no)
INNER JOIN core_price_list_roundings AS chosen USING (price_list_id)
WHERE list_contains(fits.roundings, chosen.rounding_no)
