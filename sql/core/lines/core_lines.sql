-- One row per line, narrow: its key, its figures, the rate ladder that prices it and the tier shown.
-- kept as: view
-- Every line has billing terms; LEFT JOIN gives DuckDB's planner the correct number of rows. `actual` is read through them: otherwise,
-- where it overestimates how many values of `actual` there are, it joins by `actual` alone and compares `set_no` afterwards.
SELECT
    lines.network_id,
    lines.mailbox_id,
    line_terms.reporting_month,
    line_terms.account_report,
    line_terms.measure_field,
    lines.terms_no,
    lines.line_item_number,
    line_terms.price_list_id,
    line_terms.set_no,
    line_terms.shown_tier,
    line_terms.schedule_id,
    CASE WHEN line_terms.terms_no IS NOT NULL THEN lines.actual END AS actual,
    lines.quantity_billed,
    lines.is_taxable,
    lines.amount,
    lines.response_sha256,
    line_terms.shows_other_schedule,
    line_terms.shown_rate,
    line_terms.shown_block,
    line_terms.terms_source,
    line_terms.witness
FROM core_line_facts AS lines
LEFT JOIN core_terms_sets AS line_terms USING (terms_no)
