-- One row per rate ladder of derived charges and candidate reading: how many lines it explains, and its place.
-- `telling_lines` are the lines that tell for or against it: those billed something, or expected to be by the reading;
-- `telling_lines_explained` those of them that it reproduces, `lines_explained` of `lines_total` those billed 0 included. `bases_stated`: on how many lines the Actual shown is the sum that it computes from, which decides
-- between readings that bill alike. `alike_no` is the first reading, by place, that bills every line as this one does. `is_rival`: the
-- lines cannot tell it from the leader (is_rival_of_leader), nor do two of their Actuals speak for the leader's sum alone. A line whose
-- base is open, as a charge in it is not known, tells for the readings that it fits and against none.
WITH scores AS (
    SELECT
        set_no,
        reading_no,
        any_value(plausibility) AS plausibility,
        count(*) FILTER (WHERE is_telling AND (fits OR NOT is_base_open)) AS telling_lines,
        count(*) FILTER (WHERE is_telling AND fits) AS telling_lines_explained,
        count(*) FILTER (WHERE fits OR NOT is_base_open) AS lines_total,
        count(*) FILTER (WHERE fits) AS lines_explained,
        count(*) FILTER (WHERE states_base) AS bases_stated,
        md5(string_agg(
            expected_amount || ' ' || fits, ';' ORDER BY reporting_month, network_id, mailbox_id
        )) AS bill
    FROM core_money_trials
    GROUP BY set_no, reading_no
),
ranked AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY set_no
            ORDER BY
                telling_lines_explained DESC,
                telling_lines - telling_lines_explained,
                bases_stated DESC,
                plausibility,
                reading_no
        ) AS place
    FROM scores
),
leaders AS (
    SELECT set_no, reading_no, plausibility, lines_explained, bases_stated
    FROM ranked
    WHERE place = 1
),
gains AS (
    SELECT trials.set_no, trials.reading_no, count(*) AS gained
    FROM core_money_trials AS trials
    INNER JOIN leaders USING (set_no)
    INNER JOIN core_money_trials AS led
        USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
    WHERE led.reading_no = leaders.reading_no AND trials.fits AND NOT led.fits
    GROUP BY trials.set_no, trials.reading_no
),
compared AS (
    SELECT
        ranked.*,
        coalesce(gains.gained, 0) AS gained,
        leaders.lines_explained - ranked.lines_explained + coalesce(gains.gained, 0) AS lost,
        leaders.plausibility AS leading_plausibility,
        leaders.bases_stated AS leading_bases_stated
    FROM ranked
    INNER JOIN leaders USING (set_no)
    LEFT JOIN gains ON gains.set_no = ranked.set_no AND gains.reading_no = ranked.reading_no
)
SELECT
    set_no,
    reading_no,
    lines_total,
    lines_explained,
    telling_lines,
    telling_lines_explained,
    bases_stated,
    place,
    arg_min(reading_no, place) OVER (PARTITION BY set_no, bill) AS alike_no,
    place = 1
    OR (
        is_rival_of_leader(plausibility, leading_plausibility, lines_explained, gained, lost)
        AND leading_bases_stated - bases_stated < 2
    ) AS is_rival
FROM compared
