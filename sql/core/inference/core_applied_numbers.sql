-- One row per report, measure and kind of number (core_reading_departures.departed) that some line of some price list shows applied.
-- Evidence is a line that follows from the terms, but not without that number. A number that the vendor applies nowhere may not apply.
SELECT DISTINCT sets.account_report, sets.measure_field, departures.departed
FROM core_chosen_readings AS chosen
INNER JOIN core_sets AS sets USING (set_no)
INNER JOIN core_reading_departures AS departures USING (set_no, reading_no)
INNER JOIN core_fits AS fits
    ON fits.set_no = chosen.set_no AND fits.reading_no = chosen.reading_no AND fits.departures = 0
WHERE chosen.verdict <> 'none_fits'
    AND NOT EXISTS (
        FROM core_fits AS without
        WHERE without.trial_no = fits.trial_no
            AND without.reading_no = departures.departed_reading_no
            AND without.departures = 0
    )
