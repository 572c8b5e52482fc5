-- One row per heading: its key, and the schedule set that prices its lines with the tier that they show.
-- The set is that of the schedule shown; a heading that shows none, or one that its price list does not know, belongs to
-- the only set of its report and measure, if there is just one. Without a set a line cannot be proved (`set_no` is null).
-- What the heading shows of its schedule is given where it is not what the price list has (`shows_other_schedule`).
WITH only_sets AS (
    SELECT price_list_id, reporting_month, account_report, measure_field, any_value(set_no) AS set_no
    FROM core_tiers
    GROUP BY ALL
    HAVING count(DISTINCT set_no) = 1
),
compared AS (
    SELECT
        headings.*,
        shown.set_no AS shown_set_no,
        shown.tier AS shown_tier,
        headings.schedule_id IS NOT NULL
        AND (
            shown.set_no IS NULL
            OR headings.schedule_rate IS DISTINCT FROM shown.rate
            OR headings.schedule_block IS DISTINCT FROM shown.block
            OR headings.schedule_allowance IS DISTINCT FROM shown.allowance
        ) AS shows_other_schedule
    FROM core_line_headings AS headings
    LEFT JOIN core_tiers AS shown USING (price_list_id, reporting_month, account_report, measure_field, schedule_id)
)
SELECT
    headings.heading_no,
    headings.reporting_month,
    headings.account_report,
    headings.measure_field,
    headings.price_list_id,
    coalesce(headings.shown_set_no, only_sets.set_no) AS set_no,
    headings.shown_tier,
    headings.schedule_id,
    headings.shows_other_schedule,
    CASE WHEN headings.shows_other_schedule THEN headings.schedule_rate END AS shown_rate,
    CASE WHEN headings.shows_other_schedule THEN headings.schedule_block END AS shown_block
FROM compared AS headings
LEFT JOIN only_sets USING (price_list_id, reporting_month, account_report, measure_field)
