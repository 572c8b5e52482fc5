-- One row per line that does not fit its interpretation, shows a schedule that its price list does not have, or shows another tier than
-- the one that prices its whole quantity.
-- per: cell
-- parts: rows
-- These are few lines; the relations that follow read only them.
SELECT
    results.*,
    sets.tiers,
    sets.kind,
    sets.unit,
    sets.allowance,
    headings.terms_contract_id,
    headings.departs_in,
    headings.shown_allowance,
    headings.shown_minimum,
    headings.shown_maximum,
    headings.listed_rate,
    headings.listed_block,
    headings.listed_allowance,
    headings.listed_minimum,
    headings.listed_maximum,
    headings.is_firm,
    readings.model,
    readings.billed_in,
    readings.rate_per,
    readings.lone_bounds,
    readings.allowance_rule
FROM core_line_results AS results
INNER JOIN core_heading_sets AS headings USING (heading_no)
LEFT JOIN core_sets AS sets ON sets.set_no = results.set_no
LEFT JOIN core_chosen_readings AS chosen ON chosen.set_no = results.set_no
LEFT JOIN core_set_readings AS readings ON readings.set_no = results.set_no AND readings.reading_no = chosen.reading_no
WHERE results.verdict <> 'fits'
    OR results.shows_other_schedule
    -- a line priced slice by slice may show its first or its last tier
    OR (
        results.shown_tier <> results.expected_tier
        AND results.amount <> 0
        AND chosen.verdict = 'decided'
        AND readings.model IN ('volume', 'stairstep')
    )
