-- One row per line that is not billed as its reading says, that shows another schedule than its price list has, or another tier than the
-- one that the whole of its quantity is priced by.
-- per: cell
-- parts: rows
-- Few lines among many: what follows looks at them alone.
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
    -- a line priced slice by slice may show the first tier or the last
    OR (
        results.shown_tier <> results.expected_tier
        AND results.amount <> 0
        AND chosen.verdict = 'decided'
        AND readings.model IN ('volume', 'stairstep')
    )
