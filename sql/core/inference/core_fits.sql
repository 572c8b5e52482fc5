-- One row per candidate interpretation and group of lines (core_trial_lines) that it explains, with its rounding.
-- kept as: scratch
-- departures: 0 if the lines follow from the terms; 1 if they follow from them with one number replaced by the one shown, or left out
-- (core_reading_departures, `is_left_out`). grade: 1 if another candidate explains the lines by another use of the number left out, which
-- is better; else 2.
WITH fits AS (
    SELECT set_no, trial_no, lines, reading_no, is_changed, roundings
    FROM core_screen_fits
    UNION ALL
    SELECT set_no, trial_no, lines, reading_no, is_changed, roundings
    FROM core_trial_fits
),
own AS (
    SELECT fits.set_no, fits.reading_no, fits.trial_no, fits.lines, fits.is_changed
    FROM fits
    INNER JOIN core_reading_roundings AS chosen USING (set_no, reading_no)
    WHERE list_contains(fits.roundings, chosen.rounding_no)
),
departures AS MATERIALIZED (
    -- materialised, so that DuckDB joins each to the fits by its candidate: by the ladder alone there are a hundred times as many pairs
    SELECT departures.*, chosen.rounding_no
    FROM core_reading_departures AS departures
    INNER JOIN core_reading_roundings AS chosen USING (set_no, reading_no)
),
left_out AS (
    SELECT
        fits.set_no,
        departures.reading_no,
        fits.trial_no,
        any_value(fits.lines) AS lines,
        bool_and(departures.is_other_use) AS is_other_use
    FROM fits
    INNER JOIN departures ON departures.set_no = fits.set_no AND departures.departed_reading_no = fits.reading_no
    WHERE NOT fits.is_changed AND list_contains(fits.roundings, departures.rounding_no)
    GROUP BY fits.set_no, departures.reading_no, fits.trial_no
)
SELECT set_no, reading_no, trial_no, lines, CASE WHEN is_changed THEN 1 ELSE 0 END AS departures, false AS is_left_out, 2 AS grade
FROM own
UNION ALL
SELECT set_no, reading_no, trial_no, lines, 1, true, CASE WHEN is_other_use THEN 1 ELSE 2 END
FROM left_out
ANTI JOIN own USING (set_no, reading_no, trial_no)
