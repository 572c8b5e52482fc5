-- One row per rate ladder of derived charges and candidate interpretation: its evidence compared with the leader (place 1).
-- A line is explained if it follows from the terms, or from them with the rate that it shows (`departures` counts these). The leader
-- explains most lines: each line counts for all candidates, also one of 0. `lines_total` and `lines_explained` leave out what an unknown
-- base does not explain: such a line is evidence for the interpretations that it fits, and against none. `bases_stated`: number of lines
-- whose Actual is the interpretation's base, which decides between interpretations that bill alike. `alike_no` is the first
-- interpretation, by place, that bills every line alike. `gained` are the lines that it explains better than the leader, `lost` those
-- that the leader explains better. `is_tied`: tied with the leader (is_tied_with_leader), and fewer than two Actuals support only the
-- leader's base. A minimum billed whole, or to all accounts, shows Rate alone, whatever the charges: such lines, however many, do not tell
-- whether a true-up was meant. So where such an interpretation leads, the true-up beside each base that is tied is tied too, and one that
-- explains a line which the leader does not. Such an interpretation is tied with any leader that does not win more than four fifths of the
-- lines on which the two differ: a minimum of one rule may be billed by another on many lines of a list.
WITH scores AS (
    SELECT
        set_no,
        reading_no,
        any_value(plausibility) AS plausibility,
        any_value(base) AS base,
        any_value(rule) AS rule,
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
            ORDER BY lines_explained DESC, departures, bases_stated DESC, plausibility, reading_no
        ) AS place
    FROM scores
),
leaders AS (
    SELECT set_no, reading_no, plausibility, bases_stated, rule
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
),
compared AS (
    SELECT
        ranked.*,
        parted.gained,
        parted.lost,
        leaders.rule IN ('whole_when_below', 'always') AND ranked.rule = 'true_up'
        AND (ranked.plausibility = 'ordinary' OR leaders.plausibility = 'remote') AS is_untold_true_up,
        arg_min(ranked.reading_no, ranked.place) OVER (PARTITION BY ranked.set_no, ranked.bill) AS alike_no,
        ranked.place = 1
        OR (
            is_tied_with_leader(
                ranked.plausibility, leaders.plausibility, ranked.lines_explained, parted.gained, parted.lost, parted.lost_stated
            )
            AND leaders.bases_stated - ranked.bases_stated < 2
        )
        OR (
            leaders.rule IN ('true_up', 'whole_when_below', 'always') AND ranked.rule IN ('whole_when_below', 'always')
            AND (ranked.plausibility = 'ordinary' OR leaders.plausibility = 'remote')
            AND parted.lost <= parted.gained * 4
        ) AS is_tied
    FROM ranked
    INNER JOIN leaders USING (set_no)
    INNER JOIN parted ON parted.set_no = ranked.set_no AND parted.reading_no = ranked.reading_no
)
SELECT
    set_no,
    reading_no,
    plausibility,
    lines_total,
    lines_explained,
    departures,
    bases_stated,
    place,
    gained,
    lost,
    alike_no,
    is_tied
    OR (is_untold_true_up AND (gained > 0 OR bool_or(is_tied AND rule <> 'true_up') OVER (PARTITION BY set_no, base))) AS is_tied
FROM compared
