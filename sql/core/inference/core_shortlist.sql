-- One row per rate ladder and candidate interpretation that passes the screening.
-- By any rounding it explains more than half of the lines that the best candidate explains: with fewer it could not be tied with it
-- (core_reading_scores). Lines explained with a number left out count too, once, and the variants of a candidate without a number pass
-- with it. Candidates of a model that the contract excludes are compared among themselves alone. The best by the rates of the tiers, volume
-- and graduated, pass always: lines at the first rate are no evidence against them. On small ladders, where the screening is the whole
-- trial, all pass.
WITH large AS (
    SELECT set_no
    FROM core_trial_quantities
    GROUP BY set_no
    HAVING NOT bool_and(is_screened)
),
variants AS (
    -- each candidate, as it is and with a number left out
    SELECT set_no, reading_no, reading_no AS variant_no
    FROM core_set_readings
    WHERE plausibility <> 'departure'
    UNION ALL
    SELECT set_no, reading_no, departed_reading_no
    FROM core_reading_departures
),
explained AS (
    SELECT DISTINCT variants.set_no, variants.reading_no, fits.trial_no, fits.lines
    FROM variants
    SEMI JOIN large USING (set_no)
    INNER JOIN core_screen_fits AS fits ON fits.set_no = variants.set_no AND fits.reading_no = variants.variant_no
),
ranked AS (
    SELECT
        readings.set_no,
        readings.reading_no,
        readings.model,
        readings.plausibility,
        coalesce(sum(explained.lines), 0) AS lines_explained,
        max(coalesce(sum(explained.lines), 0)) OVER (PARTITION BY readings.set_no, readings.plausibility = 'excluded') AS most_lines,
        row_number() OVER (
            PARTITION BY readings.set_no, readings.plausibility = 'excluded'
            ORDER BY coalesce(sum(explained.lines), 0) DESC, readings.reading_no
        ) AS place,
        row_number() OVER (
            PARTITION BY readings.set_no, readings.model, readings.plausibility
            ORDER BY coalesce(sum(explained.lines), 0) DESC, readings.reading_no
        ) AS place_of_model
    FROM core_set_readings AS readings
    SEMI JOIN large USING (set_no)
    LEFT JOIN explained ON explained.set_no = readings.set_no AND explained.reading_no = readings.reading_no
    WHERE readings.plausibility <> 'departure'
    GROUP BY readings.set_no, readings.reading_no, readings.model, readings.plausibility
),
remaining AS (
    SELECT set_no, reading_no
    FROM ranked
    WHERE (lines_explained > 0 AND lines_explained * 2 > most_lines AND place <= 60)
        OR (model IN ('volume', 'graduated') AND plausibility = 'ordinary' AND place_of_model = 1)
)
SELECT set_no, reading_no
FROM remaining
UNION
SELECT departures.set_no, departures.departed_reading_no
FROM core_reading_departures AS departures
SEMI JOIN remaining USING (set_no, reading_no)
UNION ALL
SELECT set_no, reading_no
FROM core_set_readings
ANTI JOIN large USING (set_no)
