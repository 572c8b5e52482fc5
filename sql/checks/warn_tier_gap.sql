-- One row per price list, month, report and measure whose tiers leave quantities without a price, and per line of such a quantity.
-- title: Price list has a gap between tiers
SELECT
    faults.reporting_month,
    faults.account_report,
    faults.measure_field,
    faults.price_list_id,
    concat(
        'Price list ', faults.price_list_id, ', ', faults.account_report, ' ', faults.measure_field, ': ', faults.words, '. ',
        CASE
            WHEN faults.lines IS NULL THEN 'No line of the month is in the gap'
            ELSE concat('Lines of the month in the gap: ', faults.lines, ', billed ', money_text(faults.amount))
        END,
        CASE
            WHEN chosen.amount_at_stake > 0 AND chosen.verdict = 'undecided'
                THEN concat('; at a quantity of ', grouped_text(chosen.deciding_quantity), ', up to ', money_text(chosen.amount_at_stake), ' per line at stake')
            ELSE ''
        END,
        CASE
            WHEN faults.is_of_contract THEN '. Your contract_terms.csv ends before the list''s next tier: enter what applies between them.'
            ELSE '. Ask the vendor to correct the price list.'
        END
    ) AS explanation
FROM core_ladder_faults AS faults
LEFT JOIN core_chosen_readings AS chosen USING (set_no)
WHERE faults.fault = 'tier_gap'
UNION ALL BY NAME
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    lines.price_list_id,
    lines.amount AS billed_amount,
    concat(
        'Billed ', money_text(lines.amount), ' for ', units_text(lines.actual, sets.unit), ': price list ',
        lines.price_list_id, ' has no tier for that quantity (', regexp_replace(lines.error, '^[a-z_]+: ', ''), '), so the amount is unverified.'
    ) AS explanation
FROM core_suspect_lines AS lines
INNER JOIN core_sets AS sets USING (set_no)
WHERE lines.error LIKE 'past\_last\_tier%' ESCAPE '\'
