-- One row per schedule set with lines and candidate reading: how many of the lines tried it explains, and its place.
-- Most lines first; of equals an ordinary reading goes before a remote one, then the order of reference_readings.
-- The reading that leads its set is the yardstick: `gained` and `lost` are the lines that a reading explains and the leader does
-- not, and the other way round. A reading is a rival while the lines cannot tell: it explains just the same lines, or the leader
-- wins fewer than two of three lines on which they part. A remote reading is no rival of an ordinary leader.
-- A candidate that the screening of a large set left behind has the lines that it was screened on, and no better place.
WITH tried AS (
    SELECT set_no, sum(lines) AS lines_total, sum(lines) FILTER (WHERE is_screened) AS lines_screened
    FROM core_trial_lines
    GROUP BY set_no
),
scores AS (
    SELECT set_no, reading_no, sum(lines) AS lines_explained
    FROM core_fits
    GROUP BY set_no, reading_no
),
ranked AS (
    SELECT
        readings.set_no,
        readings.reading_no,
        readings.plausibility,
        shortlist.reading_no IS NOT NULL AS is_shortlisted,
        CASE WHEN shortlist.reading_no IS NULL THEN tried.lines_screened ELSE tried.lines_total END AS lines_total,
        coalesce(scores.lines_explained, 0) AS lines_explained,
        row_number() OVER (
            PARTITION BY readings.set_no
            ORDER BY
                shortlist.reading_no IS NULL, coalesce(scores.lines_explained, 0) DESC, readings.plausibility,
                readings.reading_no
        ) AS place
    FROM core_set_readings AS readings
    INNER JOIN tried USING (set_no)
    LEFT JOIN core_shortlist AS shortlist USING (set_no, reading_no)
    LEFT JOIN scores USING (set_no, reading_no)
),
leaders AS (
    SELECT set_no, reading_no, plausibility, lines_explained
    FROM ranked
    WHERE place = 1
),
gains AS (
    SELECT fits.set_no, fits.reading_no, sum(fits.lines) AS gained
    FROM core_fits AS fits
    INNER JOIN leaders USING (set_no)
    WHERE NOT EXISTS (
        FROM core_fits AS led
        WHERE led.set_no = fits.set_no AND led.reading_no = leaders.reading_no AND led.trial_no = fits.trial_no
    )
    GROUP BY fits.set_no, fits.reading_no
),
compared AS (
    SELECT
        ranked.*,
        coalesce(gains.gained, 0) AS gained,
        leaders.lines_explained - ranked.lines_explained + coalesce(gains.gained, 0) AS lost,
        leaders.plausibility AS leading_plausibility
    FROM ranked
    INNER JOIN leaders USING (set_no)
    LEFT JOIN gains ON gains.set_no = ranked.set_no AND gains.reading_no = ranked.reading_no
)
SELECT
    set_no,
    reading_no,
    plausibility,
    lines_total::BIGINT AS lines_total,
    lines_explained::BIGINT AS lines_explained,
    place,
    gained::BIGINT AS gained,
    lost::BIGINT AS lost,
    place = 1
    OR (
        is_shortlisted
        AND is_rival_of_leader(plausibility, leading_plausibility, lines_explained, gained, lost)
    ) AS is_rival
FROM compared
