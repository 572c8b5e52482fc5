-- One row per line, narrow: its key, its figures, the schedule set that prices it and the tier that it shows.
-- The set is that of the schedule shown; a line that shows none, or one that its price list does not know, belongs to
-- the only set of its report and measure, if there is just one. Without a set a line cannot be proved (`set_no` is null).
-- What the line shows of its schedule is kept where it is not what the price list has (`shows_other_schedule`).
WITH only_sets AS (
    SELECT price_list_id, reporting_month, account_report, measure_field, any_value(set_no) AS set_no
    FROM core_tiers
    GROUP BY ALL
    HAVING count(DISTINCT set_no) = 1
),
compared AS (
    SELECT
        lines.*,
        shown.set_no AS shown_set_no,
        shown.tier AS shown_tier,
        lines.schedule_id IS NOT NULL
        AND (
            shown.set_no IS NULL
            OR lines.schedule_rate IS DISTINCT FROM shown.rate
            OR lines.schedule_block IS DISTINCT FROM shown.block
            OR lines.schedule_allowance IS DISTINCT FROM shown.allowance
        ) AS shows_other_schedule
    FROM raw_line_items AS lines
    LEFT JOIN core_tiers AS shown USING (price_list_id, reporting_month, account_report, measure_field, schedule_id)
)
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    lines.line_item_number,
    lines.price_list_id,
    coalesce(lines.shown_set_no, only_sets.set_no) AS set_no,
    lines.shown_tier,
    lines.schedule_id,
    lines.actual,
    lines.quantity_billed,
    lines.is_taxable,
    lines.amount,
    lines.shows_other_schedule,
    CASE WHEN lines.shows_other_schedule THEN lines.schedule_rate END AS shown_rate,
    CASE WHEN lines.shows_other_schedule THEN lines.schedule_block END AS shown_block
FROM compared AS lines
LEFT JOIN only_sets USING (price_list_id, reporting_month, account_report, measure_field)
