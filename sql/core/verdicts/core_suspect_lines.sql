-- One row per line that does not fit its interpretation, shows a schedule that its price list does not have, or shows another tier than
-- the one that it reaches. `is_at_maximum`: the quantity is the Maximum between these two tiers.
-- `departs_in` is null on a line that is billed by your contract (or may be, by what is undecided of it), or has no price by it, and shows
-- the schedule of a price list that differs from it: the fault is the list's (fail_list_differs_from_contract). Where no interpretation
-- fits, each candidate may be the contract's.
-- These are few lines; the relations that follow read only them.
SELECT
    results.*,
    sets.tiers,
    sets.kind,
    sets.unit,
    sets.allowance,
    line_terms.terms_contract_id,
    CASE
        WHEN NOT coalesce(line_terms.is_as_listed, false) THEN line_terms.departs_in
        WHEN results.verdict IN ('fits', 'undecided') OR results.error IS NOT NULL THEN NULL
        WHEN given.set_no IS NOT NULL THEN NULL
        ELSE line_terms.departs_in
    END AS departs_in,
    coalesce(line_terms.is_as_listed, false) AS is_as_listed,
    line_terms.shown_allowance,
    line_terms.shown_minimum,
    line_terms.shown_maximum,
    line_terms.listed_rate,
    line_terms.listed_block,
    line_terms.listed_allowance,
    line_terms.listed_minimum,
    line_terms.listed_maximum,
    line_terms.is_firm,
    readings.model,
    coalesce(chosen.verdict = 'none_fits', false) AS is_of_none,
    readings.billed_in,
    readings.rate_per,
    readings.lone_bounds,
    readings.allowance_rule,
    coalesce(
        abs(results.shown_tier - results.expected_tier) = 1
        -- blocks counted in each slice change the quantity billed, not where a slice ends; two comparisons, because a list of both would cast
        -- the second to the type of the first, which does not hold every quantity
        AND (
            lower.maximum = try(
                results.quantity_billed * CASE WHEN readings.billed_in = 'blocks' AND lower.block > 0 THEN lower.block ELSE 1 END
            )
            OR lower.maximum = results.actual - case_allowance(readings.allowance_rule, readings.lone_bounds, sets.allowance)
        ),
        false
    ) AS is_at_maximum
FROM core_line_results AS results
INNER JOIN core_terms_sets AS line_terms USING (terms_no)
LEFT JOIN core_sets AS sets ON sets.set_no = results.set_no
LEFT JOIN core_chosen_readings AS chosen ON chosen.set_no = results.set_no
LEFT JOIN core_set_tiers AS lower ON lower.set_no = results.set_no AND lower.tier = least(results.shown_tier, results.expected_tier)
LEFT JOIN core_set_readings AS readings ON readings.set_no = results.set_no AND readings.reading_no = chosen.reading_no
LEFT JOIN (SELECT DISTINCT set_no, actual, quantity, amount FROM core_other_rated WHERE role = 'candidate') AS given
    ON given.set_no = results.set_no
    AND given.actual = results.actual
    AND given.quantity = results.quantity_billed
    AND given.amount = results.amount
LEFT JOIN core_other_outcomes AS others
    ON others.terms_no = results.terms_no
    AND others.actual = results.actual
    AND others.quantity = results.quantity_billed
    AND others.amount = results.amount
WHERE others.is_given IS NOT true
    AND (
        results.verdict <> 'fits'
        OR (results.shows_other_schedule AND NOT coalesce(line_terms.is_as_listed, false))
        OR (
            results.shown_tier <> results.expected_tier
            AND results.amount <> 0
            -- where the list has other bounds, the tier shown is the list's
            AND NOT (
                coalesce(line_terms.is_as_listed, false)
                AND NOT is_same_bounds(
                    line_terms.shown_minimum, line_terms.shown_maximum, line_terms.listed_minimum, line_terms.listed_maximum
                )
            )
            AND chosen.verdict = 'decided'
            -- a line priced slice by slice may show the tier of its first slice as well as that of its last, and at a Maximum either tier beside
            -- it: to which of them the Maximum belongs changes no amount
            AND (
                readings.model IN ('volume', 'stairstep')
                OR (readings.model IN ('graduated', 'stacked_flat') AND results.shown_tier > 1 AND NOT is_at_maximum)
            )
        )
    )
