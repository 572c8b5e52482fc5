-- One row per rate ladder of derived charges and candidate interpretation: the number of lines it explains, and its place.
-- A line is explained if it follows from the terms, or from them with the rate that it shows (`departures` counts these).
-- `telling_lines` are the lines with an amount, billed or expected; `telling_lines_explained` those of them that the interpretation
-- explains; `lines_explained` and `lines_total` include lines of 0. `bases_stated`: number of lines whose Actual is the interpretation's
-- base, which decides between interpretations that bill alike. `alike_no` is the first interpretation, by place, that bills every line
-- alike. `gained` are the lines that it explains better than the leader, `lost` those that the leader explains better. `is_tied`: tied
-- with the leader (is_tied_with_leader), and fewer than two Actuals support only the leader's base. A line with an unknown base is
-- evidence for the interpretations that it fits, and against none.
WITH scores AS (
    SELECT
        set_no,
        reading_no,
        any_value(plausibility) AS plausibility,
        count(*) FILTER (WHERE is_telling AND (departures IS NOT NULL OR NOT is_base_open)) AS telling_lines,
        count(*) FILTER (WHERE is_telling AND departures IS NOT NULL) AS telling_lines_explained,
        -- including lines with an unknown base: an interpretation must not lead because its bases are unknown
        count(*) FILTER (WHERE is_telling AND departures IS NULL) AS lines_unexplained,
        count(*) FILTER (WHERE departures IS NOT NULL OR NOT is_base_open) AS lines_total,
        count(*) FILTER (WHERE departures IS NOT NULL) AS lines_explained,
        count(*) FILTER (WHERE departures = 1) AS departures,
        count(*) FILTER (WHERE states_base) AS bases_stated,
        md5(string_agg(
            concat_ws(' ', expected_amount, coalesce(departures, 2)), ';' ORDER BY reporting_month, network_id, mailbox_id
        )) AS bill
    FROM core_derived_trials
    GROUP BY set_no, reading_no
),
ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY set_no
            ORDER BY
                telling_lines_explained DESC,
                lines_unexplained,
                departures,
                bases_stated DESC,
                plausibility,
                reading_no
        ) AS place
    FROM scores
),
leaders AS (
    SELECT set_no, reading_no, plausibility, bases_stated
    FROM ranked
    WHERE place = 1
),
parted AS (
    SELECT
        trials.set_no,
        trials.reading_no,
        count(*) FILTER (WHERE coalesce(trials.departures, 2) < coalesce(led.departures, 2)) AS gained,
        count(*) FILTER (WHERE coalesce(trials.departures, 2) > coalesce(led.departures, 2)) AS lost,
        count(*) FILTER (WHERE coalesce(trials.departures, 2) > coalesce(led.departures, 2) AND led.states_base) AS lost_stated
    FROM core_derived_trials AS trials
    INNER JOIN leaders USING (set_no)
    INNER JOIN core_derived_trials AS led
        USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
    WHERE led.reading_no = leaders.reading_no
    GROUP BY trials.set_no, trials.reading_no
)
SELECT
    ranked.set_no,
    ranked.reading_no,
    ranked.plausibility,
    ranked.lines_total,
    ranked.lines_explained,
    ranked.departures,
    ranked.telling_lines,
    ranked.telling_lines_explained,
    ranked.bases_stated,
    ranked.place,
    parted.gained,
    parted.lost,
    arg_min(ranked.reading_no, ranked.place) OVER (PARTITION BY ranked.set_no, ranked.bill) AS alike_no,
    ranked.place = 1
    OR (
        is_tied_with_leader(
            ranked.plausibility, leaders.plausibility, ranked.lines_explained, parted.gained, parted.lost, parted.lost_stated
        )
        AND leaders.bases_stated - ranked.bases_stated < 2
    ) AS is_tied
FROM ranked
INNER JOIN leaders USING (set_no)
INNER JOIN parted ON parted.set_no = ranked.set_no AND parted.reading_no = ranked.reading_no
