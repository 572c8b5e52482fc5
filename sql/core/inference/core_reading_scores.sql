-- One row per rate ladder with lines and candidate interpretation: its evidence compared with the leader (place 1).
-- `gained` are the lines that it explains better than the leader: at all, with a better grade (core_fits), or by the terms where the leader
-- leaves a number out, if both take the allowance as a free tier or neither does. `lost` are those that the leader explains better.
-- A departure counts as none where the leader also leaves a number out (no use of the number fits all lines), or bills every line alike
-- with and without a number (a free tier that no line shows); and, for an interpretation from which most lines depart, on lines that the
-- leader bills alike with and without it: the number may be applied nowhere. So too where an interpretation explains every line of a
-- leading free tier without the allowance, or with the one shown (`is_departed_by_all`).
-- An interpretation is tied (`is_tied`) if the leader wins no line, fewer than two thirds of the lines on which the two differ, or a
-- single line that does not show the tier that it reaches. A line past the first tier is no evidence for a single rate against a
-- ladder's stated tier rates. A remote interpretation is never tied with an ordinary leader, nor is one that leaves a stated number out
-- or has another model than the contract states. Where the contract states the model and the leader explains no line, or less than half of
-- the telling ones, these are no evidence for one use of the other terms against another: every ordinary interpretation of the model is tied.
WITH leaders AS (
    SELECT
        ranks.set_no,
        ranks.reading_no,
        ranks.plausibility,
        left_out.reading_no IS NOT NULL AS is_departed_from,
        readings.model = 'unit' AND sets.tiers > 1 AS is_unit_of_ladder,
        sets.contract_model IS NOT NULL AS is_model_stated,
        readings.allowance_rule = 'free_tier' AS is_free_tier
    FROM core_reading_ranks AS ranks
    INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
    INNER JOIN core_sets AS sets USING (set_no)
    LEFT JOIN (SELECT DISTINCT set_no, reading_no FROM core_fits WHERE is_left_out) AS left_out USING (set_no, reading_no)
    WHERE ranks.place = 1
),
idle AS (
    -- lines that the leader bills alike with and without a number
    SELECT DISTINCT fits.trial_no
    FROM leaders
    INNER JOIN core_reading_departures AS departures USING (set_no, reading_no)
    INNER JOIN core_fits AS fits
        ON fits.set_no = departures.set_no AND fits.reading_no = departures.departed_reading_no AND fits.departures = 0
),
led AS (
    SELECT
        fits.set_no,
        fits.trial_no,
        fits.lines,
        fits.departures,
        fits.is_left_out,
        leaders.is_free_tier,
        fits.grade,
        idle.trial_no IS NOT NULL AS is_idle,
        leaders.is_departed_from OR bool_and(idle.trial_no IS NOT NULL) OVER (PARTITION BY fits.set_no) AS is_number_unshown,
        coalesce(evidence.shown_tier = evidence.tier_reached, false) AS is_tier_shown,
        leaders.is_unit_of_ladder AND evidence.highest_tier > 1 AS is_past_first_tier
    FROM core_fits AS fits
    INNER JOIN leaders USING (set_no, reading_no)
    INNER JOIN core_trial_evidence AS evidence USING (trial_no)
    LEFT JOIN idle USING (trial_no)
),
led_sums AS (
    SELECT
        set_no,
        sum(lines) AS lines,
        coalesce(sum(lines) FILTER (WHERE is_tier_shown), 0) AS lines_shown,
        coalesce(sum(lines) FILTER (WHERE is_past_first_tier), 0) AS lines_past_first_tier,
        coalesce(sum(lines) FILTER (WHERE is_past_first_tier AND is_tier_shown), 0) AS lines_shown_past_first_tier
    FROM led
    GROUP BY set_no
),
pairs AS (
    SELECT
        fits.set_no,
        fits.reading_no,
        fits.lines,
        evidence.is_telling,
        led.trial_no IS NULL
        OR fits.grade > led.grade
        OR (led.is_left_out AND fits.departures = 0 AND (readings.allowance_rule = 'free_tier') = led.is_free_tier) AS is_gained,
        coalesce(
            fits.grade >= led.grade
            AND (fits.departures <= led.departures OR (led.is_idle AND led.is_number_unshown AND ranks.departures * 2 >= ranks.lines_explained)),
            false
        ) AS is_kept,
        led.is_tier_shown,
        led.is_past_first_tier,
        led.trial_no IS NOT NULL AND fits.grade >= led.grade AND (fits.departures > 0 OR evidence.actual = 0) AS is_departed
    FROM core_fits AS fits
    INNER JOIN core_reading_ranks AS ranks USING (set_no, reading_no)
    INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
    INNER JOIN core_trial_evidence AS evidence USING (trial_no)
    LEFT JOIN led ON led.trial_no = fits.trial_no
),
compared AS (
    SELECT
        fits.set_no,
        fits.reading_no,
        coalesce(sum(fits.lines) FILTER (WHERE is_gained), 0) AS gained,
        coalesce(sum(fits.lines) FILTER (WHERE is_kept), 0) AS kept,
        coalesce(sum(fits.lines) FILTER (WHERE is_departed), 0) AS departed,
        coalesce(sum(fits.lines) FILTER (WHERE is_kept AND is_tier_shown), 0) AS kept_shown,
        coalesce(sum(fits.lines) FILTER (WHERE is_kept AND is_past_first_tier), 0) AS kept_past_first_tier,
        coalesce(sum(fits.lines) FILTER (WHERE is_kept AND is_past_first_tier AND is_tier_shown), 0)
            AS kept_shown_past_first_tier,
        coalesce(sum(fits.lines) FILTER (WHERE is_telling), 0) AS telling_lines_explained
    FROM pairs AS fits
    GROUP BY fits.set_no, fits.reading_no
),
past_unknown AS (
    -- lines that the leader does not give, for which a tier may be wanting that no witness gives: evidence neither for it nor against it
    SELECT lines.trial_no
    FROM core_unknown_tiers AS unknown
    INNER JOIN core_trial_lines AS lines ON lines.set_no = unknown.set_no AND lines.actual > unknown.from_quantity
    ANTI JOIN led ON led.trial_no = lines.trial_no
),
telling AS (
    SELECT set_no, coalesce(sum(lines) FILTER (WHERE is_telling), 0) AS telling_lines
    FROM core_trial_evidence
    ANTI JOIN past_unknown USING (trial_no)
    GROUP BY set_no
),
scored AS (
    SELECT
        ranks.*,
        leaders.plausibility AS leading_plausibility,
        coalesce(telling.telling_lines, 0)::BIGINT AS telling_lines,
        coalesce(compared.telling_lines_explained, 0)::BIGINT AS telling_lines_explained,
        coalesce(compared.gained, 0)::BIGINT AS gained,
        leaders.is_unit_of_ladder AND readings.model IN ('volume', 'graduated') AS is_of_stated_tiers,
        leaders.is_model_stated
        AND (
            led_sums.lines IS NULL
            OR coalesce(of_leader.telling_lines_explained, 0) * 2 < coalesce(telling.telling_lines, 0)
        ) AS is_model_alone_known,
        coalesce(
            leaders.is_free_tier AND compared.departed = led_sums.lines AND ranks.departures * 2 >= ranks.lines_explained, false
        ) AS is_departed_by_all,
        (
            CASE WHEN is_departed_by_all THEN 0 ELSE coalesce(led_sums.lines, 0) - coalesce(compared.kept, 0) END
            - CASE
                WHEN is_of_stated_tiers
                    THEN coalesce(led_sums.lines_past_first_tier, 0) - coalesce(compared.kept_past_first_tier, 0)
                ELSE 0
            END
        )::BIGINT AS lost,
        (
            CASE WHEN is_departed_by_all THEN 0 ELSE coalesce(led_sums.lines_shown, 0) - coalesce(compared.kept_shown, 0) END
            - CASE
                WHEN is_of_stated_tiers
                    THEN coalesce(led_sums.lines_shown_past_first_tier, 0) - coalesce(compared.kept_shown_past_first_tier, 0)
                ELSE 0
            END
        )::BIGINT AS lost_shown
    FROM core_reading_ranks AS ranks
    INNER JOIN leaders USING (set_no)
    INNER JOIN core_set_readings AS readings ON readings.set_no = ranks.set_no AND readings.reading_no = ranks.reading_no
    LEFT JOIN telling USING (set_no)
    LEFT JOIN led_sums USING (set_no)
    LEFT JOIN compared ON compared.set_no = ranks.set_no AND compared.reading_no = ranks.reading_no
    LEFT JOIN compared AS of_leader ON of_leader.set_no = ranks.set_no AND of_leader.reading_no = leaders.reading_no
)
SELECT
    set_no,
    reading_no,
    plausibility,
    lines_total,
    lines_explained,
    departures,
    telling_lines,
    telling_lines_explained,
    place,
    gained,
    lost,
    place = 1
    OR (is_model_alone_known AND plausibility = 'ordinary')
    OR (
        is_shortlisted
        AND (lines_explained > 0 OR is_of_stated_tiers)
        AND (plausibility = 'ordinary' OR (plausibility = 'remote' AND leading_plausibility = 'remote'))
        AND (
            (gained = 0 AND lost = 0)
            OR lost < gained * 2
            OR (lost = 1 AND lost_shown = 0)
        )
    ) AS is_tied
FROM scored
