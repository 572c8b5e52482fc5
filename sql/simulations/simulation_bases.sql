-- One row per derived charge and interpretation that may hold for it: the billed base, and the rate that is tried.
-- kept as: scratch
-- Rounded as the charge's price list rounds. `new_rate` is the rate in force where no other is tried; null where the other list has none.
WITH held AS (
    SELECT chosen.set_no, chosen.reading_no, true AS is_chosen
    FROM core_derived_chosen AS chosen
    WHERE chosen.verdict <> 'none_fits'
    UNION ALL
    SELECT tied.set_no, tied.reading_no, false
    FROM core_derived_tied_candidates AS tied
    INNER JOIN core_derived_chosen AS chosen USING (set_no)
    WHERE chosen.verdict = 'undecided' AND tied.reading_no <> chosen.reading_no
),
rates AS (
    SELECT terms.set_no, terms.reporting_month, terms.source, tiers.rate
    FROM simulation_terms AS terms
    LEFT JOIN simulation_tiers AS tiers ON tiers.set_no = terms.simulated_set_no AND tiers.tier = 1
)
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    lines.line_item_number,
    lines.contract_id,
    lines.part,
    lines.amount,
    lines.reference_amount,
    lines.verdict,
    lines.is_in_scope,
    held.reading_no,
    held.is_chosen,
    trials.base_amount,
    trials.is_base_open,
    readings.base_word,
    readings.scope,
    readings.period,
    readings.parts,
    readings.rule,
    trials.rate,
    CASE WHEN lines.is_in_scope THEN rates.rate ELSE trials.rate END AS new_rate,
    coalesce(roundings.rounding, 'half_up') AS rounding,
    coalesce(units.unit, unit_of_scale(2)) AS unit,
    coalesce(units.half, (unit_of_scale(3) * 5)::DECIMAL(38, 20)) AS half
FROM simulation_lines AS lines
INNER JOIN held USING (set_no)
INNER JOIN core_derived_trials AS trials
    ON trials.network_id = lines.network_id
    AND trials.mailbox_id = lines.mailbox_id
    AND trials.terms_no = lines.terms_no
    AND trials.reading_no = held.reading_no
INNER JOIN core_derived_readings AS readings ON readings.reading_no = held.reading_no
LEFT JOIN rates ON rates.set_no = lines.set_no AND rates.reporting_month = lines.reporting_month
LEFT JOIN core_price_list_roundings AS roundings ON roundings.price_list_id = lines.price_list_id
LEFT JOIN core_roundings AS units ON units.rounding_no = roundings.rounding_no
WHERE NOT lines.is_kept
