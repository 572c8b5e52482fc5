-- One row per schedule set of money of other lines and candidate reading: how many lines it explains, and its place.
-- Readings that bill every line alike (a list without credits: its counted lines are all its lines) are one; the first of
-- them in reference_money_readings stands for all, and the others have no row. A line whose base is open, as a charge of its
-- account is not known, tells for the readings that it fits and against none.
WITH scores AS (
    SELECT
        set_no,
        reading_no,
        any_value(plausibility) AS plausibility,
        count(*) FILTER (WHERE fits OR NOT is_base_open) AS lines_total,
        count(*) FILTER (WHERE fits) AS lines_explained,
        md5(string_agg(
            expected_amount || ' ' || fits, ';' ORDER BY reporting_month, network_id, mailbox_id
        )) AS bill
    FROM core_money_trials
    GROUP BY set_no, reading_no
),
distinct_scores AS (
    SELECT *
    FROM scores
    QUALIFY row_number() OVER (PARTITION BY set_no, bill ORDER BY plausibility, reading_no) = 1
)
SELECT
    set_no,
    reading_no,
    lines_total,
    lines_explained,
    row_number() OVER (PARTITION BY set_no ORDER BY lines_explained DESC, plausibility, reading_no) AS place
FROM distinct_scores
