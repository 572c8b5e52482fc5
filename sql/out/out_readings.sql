-- One row per price list, account report, measure, rate ladder and candidate interpretation tried on its lines.
-- An interpretation that leaves a stated number out has a row only as an override.
-- reading_id: the candidate reading, as words joined by dots
-- model: pricing model of the reading: unit, volume, graduated, stairstep or stacked_flat; percentage, subtotal or minimum for a derived charge
-- upper_bound: inclusive: a quantity on a tier's upper bound belongs to that tier; exclusive: to the next
-- tiers_cut_at: which bound divides tiers: maximum or minimum
-- allowance_rule: when the allowance is taken off: before_blocks, after_blocks, free_tier or ignored
-- blocks: how a quantity is rounded to blocks: up, down, nearest or none
-- block_scope: what is rounded to blocks: quantity (the whole) or tier (each slice)
-- rate_per: what Rate prices: unit or block
-- quantity_billed_in: what QuantityBilled counts: units or blocks
-- lone_bounds: what Minimum and Maximum of a schedule that stands alone do: ignored, floor, cap, floor_and_cap or floor_and_cap_after_allowance
-- zero_block: what Block 0 means: no_blocks or one_unit
-- zero_quantity: what quantity 0 costs: free or pays_flat (the first tier's fee)
-- rounding: how amounts are rounded: half_up, half_even, up, down or none; half_up_fives, up_fives, down_fives: to multiples of 0.05
-- rounding_scope: what is rounded: line or slice
-- scale: decimals that amounts are rounded to
-- is_rounding_seen: true where the lines of the price list fit this rounding better than any that differs from it; else it is assumed
-- plausibility: ordinary, remote (chosen only where nothing ordinary fits), departure (a stated number is left out) or excluded (another model than contract_terms.csv states)
-- lines_total: number of lines that the reading is tried on
-- lines_explained: number of those whose quantity and amount it reproduces
-- share_pct: lines_explained in percent of lines_total
-- telling_lines: number of lines on which the candidates give different amounts or quantities
-- telling_lines_explained: number of telling lines that the reading explains
-- departures: number of lines explained with one number of the terms replaced by the one shown, or left out
-- verdict: on the rate ladder: decided, undecided or none_fits
-- is_chosen: true for the reading that the lines are proved by
-- is_pinned: true where the user chose it in pinned_readings.csv
-- is_rival: true where the lines do not separate it from the other readings so marked, the chosen one among them
-- counter_example: smallest line, by Actual, that the reading does not reproduce, in words; null: none
-- counter_example_network_id: NetworkID of that line
-- counter_example_mailbox_id: MailboxID of that line
-- counter_example_reporting_month: first day of the month of that line
-- counter_example_billed_amount: amount billed on that line
-- counter_example_reading_amount: amount of that line by the reading; null: it has no price for it
-- deciding_quantity: smallest quantity at which it bills otherwise than the chosen reading, in units of the measure; on the chosen reading's row, the smallest of all
-- amount_at_deciding_quantity: what the reading bills there
-- amount_at_stake: by how much it bills otherwise there than the chosen reading; on the chosen reading's row, the largest of all
-- deciding_account: charges of an account on which tied readings of a derived charge would differ, in words
-- pinned_difference: on the user's reading: its total less that of the reading that the lines alone would choose
-- reason: why the reading was chosen, in a sentence; on the chosen reading's row alone
-- change_words: what would change the choice, in a sentence; on the chosen reading's row alone
-- shown_schedule: which schedule a line past the first tier shows: tier reached, first tier or varies; null where not observed
-- limited_months: LimitedMonths of the level; null: none
-- months_billed: largest number of months for which one account was billed by a level with LimitedMonths
WITH witnesses AS (
    SELECT
        set_no,
        CASE
            WHEN bool_or(terms_source = 'shown') THEN 'shown'
            WHEN bool_or(terms_source = 'stated_later') THEN 'stated_later'
            WHEN bool_or(terms_source = 'stated') THEN 'stated'
            ELSE 'contract'
        END AS terms_source
    FROM core_set_tiers
    GROUP BY set_no
),
rated AS (
    SELECT case_id, amount_exact, slices, units, blocks, error
    FROM core_screen_rated
    UNION ALL
    SELECT case_id, amount_exact, slices, units, blocks, error
    FROM core_trial_rated
),
line_words AS MATERIALIZED (
    -- many candidates miss one line
    SELECT
        trial_no,
        concat(
            'account ', first_line[2], '-', first_line[3], ', ', strftime(first_line[1], '%Y-%m'), ': ', grouped_text(actual), ' measured, ',
            grouped_text(quantity_billed), ' billed at ', money_text(amount)
        ) AS words
    FROM core_trial_lines
    SEMI JOIN core_counter_examples USING (trial_no)
),
misses AS (
    SELECT
        missed.set_no,
        missed.reading_no,
        line_words.words,
        lines.amount AS billed_amount,
        lines.first_line[1] AS reporting_month,
        lines.first_line[2] AS network_id,
        lines.first_line[3] AS mailbox_id,
        rated.error,
        CASE WHEN readings.billed_in = 'blocks' THEN rated.blocks ELSE rated.units END AS reading_quantity,
        -- null where the amount is too large to be rounded
        try(rounded_amount(rated.amount_exact, rated.slices, roundings.rounding, units.unit, units.half)) AS reading_amount
    FROM core_counter_examples AS missed
    INNER JOIN rated USING (case_id)
    INNER JOIN core_trial_lines AS lines USING (trial_no)
    INNER JOIN line_words USING (trial_no)
    INNER JOIN core_set_readings AS readings ON readings.set_no = missed.set_no AND readings.reading_no = missed.reading_no
    INNER JOIN core_reading_roundings AS roundings ON roundings.set_no = missed.set_no AND roundings.reading_no = missed.reading_no
    INNER JOIN core_roundings AS units USING (rounding_no)
)
SELECT
    sets.price_list_id,
    sets.price_list_description,
    sets.account_report,
    sets.measure_field,
    sets.schedule_set_id,
    readings.reading_id,
    sets.model_word,
    readings.model,
    CASE WHEN readings.tier_bound = 'max_inclusive' THEN 'inclusive' ELSE 'exclusive' END AS upper_bound,
    CASE WHEN readings.tier_bound = 'min_exclusive' THEN 'minimum' ELSE 'maximum' END AS tiers_cut_at,
    readings.allowance_rule,
    replace(readings.blocks, '_by_tier', '') AS blocks,
    CASE WHEN readings.blocks LIKE '%_by_tier' THEN 'tier' ELSE 'quantity' END AS block_scope,
    readings.rate_per,
    readings.billed_in AS quantity_billed_in,
    readings.lone_bounds,
    readings.zero_block,
    readings.zero_quantity,
    replace(roundings.rounding, '_slices', '') AS rounding,
    CASE WHEN is_of_slices(roundings.rounding) THEN 'slice' ELSE 'line' END AS rounding_scope,
    roundings.scale,
    roundings.is_seen AS is_rounding_seen,
    readings.plausibility,
    scores.lines_total,
    scores.lines_explained,
    share_of(scores.lines_explained, scores.lines_total) AS share_pct,
    CASE WHEN readings.reading_no = chosen.reading_no THEN chosen.telling_lines ELSE scores.telling_lines END AS telling_lines,
    CASE WHEN readings.reading_no = chosen.reading_no THEN chosen.telling_lines_explained ELSE scores.telling_lines_explained END
        AS telling_lines_explained,
    CASE WHEN readings.reading_no = chosen.reading_no THEN chosen.departures ELSE scores.departures END AS departures,
    chosen.verdict,
    readings.reading_no = chosen.reading_no AS is_chosen,
    readings.reading_no = chosen.reading_no AND chosen.is_pinned AS is_pinned,
    tied.set_no IS NOT NULL AS is_rival,
    CASE
        WHEN missed.set_no IS NULL THEN NULL
        ELSE concat(
            missed.words, '; this interpretation ',
            CASE
                WHEN missed.error IS NOT NULL THEN 'has no price for it (' || missed.error || ')'
                ELSE concat('bills ', grouped_text(missed.reading_quantity), ' at ', money_text(missed.reading_amount))
            END
        )
    END AS counter_example,
    missed.network_id AS counter_example_network_id,
    missed.mailbox_id AS counter_example_mailbox_id,
    missed.reporting_month AS counter_example_reporting_month,
    missed.billed_amount AS counter_example_billed_amount,
    try_cast(missed.reading_amount AS DECIMAL(28, 10)) AS counter_example_reading_amount,
    tied.deciding_quantity,
    try_cast(tied.amount_there AS DECIMAL(28, 10)) AS amount_at_deciding_quantity,
    try_cast(tied.amount_at_stake AS DECIMAL(28, 10)) AS amount_at_stake,
    try_cast(CASE WHEN readings.reading_no = chosen.reading_no AND chosen.is_pinned THEN coalesce(overrides.difference, 0) END AS DECIMAL(28, 10))
        AS pinned_difference,
    witnesses.terms_source,
    sets.first_month,
    sets.last_month,
    concat(rules.rule, observations.words) AS rule,
    CASE WHEN readings.reading_no = chosen.reading_no THEN reasons.reason END AS reason,
    CASE WHEN readings.reading_no = chosen.reading_no THEN reasons.change_words END AS change_words,
    observations.shown_schedule,
    observations.limited_months,
    observations.months_billed
FROM core_reading_scores AS scores
INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
INNER JOIN core_sets AS sets USING (set_no)
INNER JOIN witnesses USING (set_no)
INNER JOIN core_set_observations AS observations USING (set_no)
INNER JOIN core_chosen_readings AS chosen USING (set_no)
INNER JOIN core_reading_roundings AS roundings ON roundings.set_no = scores.set_no AND roundings.reading_no = scores.reading_no
INNER JOIN core_reading_rules AS rules ON rules.set_no = scores.set_no AND rules.reading_no = scores.reading_no
LEFT JOIN core_reading_reasons AS reasons ON reasons.set_no = scores.set_no
LEFT JOIN core_tied_candidates AS tied ON tied.set_no = scores.set_no AND tied.reading_no = scores.reading_no
LEFT JOIN core_override_differences AS overrides ON overrides.set_no = scores.set_no
LEFT JOIN misses AS missed ON missed.set_no = scores.set_no AND missed.reading_no = scores.reading_no
WHERE readings.plausibility <> 'departure' OR readings.reading_no = chosen.reading_no
UNION ALL BY NAME
SELECT
    sets.price_list_id,
    sets.price_list_description,
    sets.account_report,
    sets.measure_field,
    sets.schedule_set_id,
    readings.reading_id,
    sets.model_word,
    sets.kind AS model,
    replace(roundings.rounding, '_slices', '') AS rounding,
    CASE WHEN is_of_slices(roundings.rounding) THEN 'slice' ELSE 'line' END AS rounding_scope,
    roundings.scale,
    roundings.is_seen AS is_rounding_seen,
    readings.plausibility,
    scores.lines_total,
    scores.lines_explained,
    scores.telling_lines,
    scores.telling_lines_explained,
    scores.departures,
    share_of(scores.lines_explained, scores.lines_total) AS share_pct,
    chosen.verdict,
    scores.reading_no = chosen.reading_no AS is_chosen,
    scores.reading_no = chosen.reading_no AND chosen.is_pinned AS is_pinned,
    tied.set_no IS NOT NULL AS is_rival,
    CASE
        WHEN missed.set_no IS NULL THEN NULL
        ELSE concat(
            'account ', missed.network_id, '-', missed.mailbox_id, ', ', strftime(missed.reporting_month, '%Y-%m'),
            ': billed ', money_text(missed.amount), '; this interpretation bills ', money_text(missed.expected_amount), ' on ',
            money_text(missed.base_amount)
        )
    END AS counter_example,
    missed.network_id AS counter_example_network_id,
    missed.mailbox_id AS counter_example_mailbox_id,
    missed.reporting_month AS counter_example_reporting_month,
    missed.amount AS counter_example_billed_amount,
    missed.expected_amount AS counter_example_reading_amount,
    tied.amount_there AS amount_at_deciding_quantity,
    tied.amount_at_stake,
    try_cast(CASE WHEN scores.reading_no = chosen.reading_no AND chosen.is_pinned THEN coalesce(overrides.difference, 0) END AS DECIMAL(28, 10))
        AS pinned_difference,
    witnesses.terms_source,
    sets.first_month,
    sets.last_month,
    concat(rules.rule, observations.words) AS rule,
    CASE WHEN scores.reading_no = chosen.reading_no THEN reasons.reason END AS reason,
    CASE WHEN scores.reading_no = chosen.reading_no THEN reasons.change_words END AS change_words,
    observations.shown_schedule,
    observations.limited_months,
    observations.months_billed,
    deciding_account_text(tied.charges, tied.parting_charge, tied.parting_measure) AS deciding_account
FROM core_derived_scores AS scores
INNER JOIN core_derived_readings AS readings USING (reading_no)
INNER JOIN core_derived_rules AS rules USING (reading_no)
INNER JOIN core_sets AS sets USING (set_no)
INNER JOIN witnesses USING (set_no)
INNER JOIN core_set_observations AS observations USING (set_no)
INNER JOIN core_price_list_roundings AS roundings USING (price_list_id)
INNER JOIN core_derived_chosen AS chosen ON chosen.set_no = scores.set_no
LEFT JOIN core_derived_reasons AS reasons ON reasons.set_no = scores.set_no
LEFT JOIN core_derived_tied_candidates AS tied ON tied.set_no = scores.set_no AND tied.reading_no = scores.reading_no
LEFT JOIN core_derived_override_differences AS overrides ON overrides.set_no = scores.set_no
LEFT JOIN (
    SELECT *
    FROM core_derived_trials
    WHERE departures IS NULL AND NOT is_base_open
    QUALIFY row_number() OVER (
        PARTITION BY set_no, reading_no ORDER BY abs(base_amount), reporting_month, network_id, mailbox_id
    ) = 1
) AS missed ON missed.set_no = scores.set_no AND missed.reading_no = scores.reading_no
-- an equivalent interpretation has no row
WHERE scores.alike_no = scores.reading_no OR tied.set_no IS NOT NULL OR scores.reading_no = chosen.reading_no
