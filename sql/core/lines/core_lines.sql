-- One row per line, narrow: its key, its figures, the rate ladder that prices it and the tier shown.
-- kept as: view
-- per: cell
-- parts: rows
-- Every line has billing terms; LEFT JOIN gives DuckDB's planner the correct number of rows.
SELECT
    lines.network_id,
    lines.mailbox_id,
    headings.reporting_month,
    headings.account_report,
    headings.measure_field,
    lines.heading_no,
    lines.line_item_number,
    headings.price_list_id,
    headings.set_no,
    headings.shown_tier,
    headings.schedule_id,
    lines.actual,
    lines.quantity_billed,
    lines.is_taxable,
    lines.amount,
    headings.shows_other_schedule,
    headings.shown_rate,
    headings.shown_block,
    headings.terms_source,
    headings.witness
FROM core_headed_lines AS lines
LEFT JOIN core_heading_sets AS headings USING (heading_no)
