-- One row per line rated by unit prices: what it costs under unit, volume and graduated pricing, and where the next tier begins.
-- kept as: view
-- A line that a model has no price for (below 0, past a bounded last tier), or of which nothing is billed though a model prices it, is not here: nothing can be compared.
-- `quantity` is what enters the tiers, after the allowance; bounds and distances are in the same units. `break_even_quantity` is the
-- quantity of the tier reached from which on, under volume pricing, the first quantity of the next tier costs less.
-- A line billed by volume that lies above it is on a cliff: more use would cost less, `cliff_saving` at the next tier's first block.
-- A bound that is excluded is itself the next tier's first quantity. A free tier is priced too, once it is passed: under it the
-- whole quantity counts, and the break-even may be 0.
-- model: pricing model of the reading: unit, volume or graduated
-- quantity: quantity that enters the tiers, after the allowance, in units of the measure
-- next_bound: quantity at which the tier reached ends, in units of the measure; null: open, or exceeded at the rate of the first tier
-- distance_to_next_bound: next_bound less quantity
-- break_even_quantity: quantity of the tier reached from which the next tier's first quantity costs less under volume pricing; null: none
-- is_on_cliff: true where the line costs more than the next tier's first block would
WITH others AS (
    -- what the models cost that are not the reading's own
    SELECT
        set_no,
        actual,
        bool_and(amount IS NOT NULL) AS is_priced,
        any_value(amount) FILTER (WHERE model = 'unit') AS unit_amount,
        any_value(amount) FILTER (WHERE model = 'volume') AS volume_amount,
        any_value(amount) FILTER (WHERE model = 'graduated') AS graduated_amount
    FROM core_comparison_rated
    GROUP BY set_no, actual
),
sets AS (
    SELECT
        set_no,
        sets.tiers,
        sets.has_fractions,
        readings.reading_id,
        readings.model,
        readings.tier_bound,
        readings.rate_per,
        readings.allowance_rule,
        readings.ladder_id,
        CASE
            WHEN readings.allowance_rule = 'free_tier' THEN case_allowance(readings.allowance_rule, readings.lone_bounds, sets.allowance)
            ELSE 0
        END AS free_quantity,
        readings.lone_bounds,
        sets.allowance,
        sets.first_minimum,
        sets.first_maximum,
        roundings.rounding,
        roundings.unit,
        roundings.half
    FROM core_chosen_readings
    INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
    INNER JOIN core_sets AS sets USING (set_no)
    INNER JOIN core_reading_roundings USING (set_no, reading_no)
    INNER JOIN core_roundings AS roundings USING (rounding_no)
    WHERE NOT is_fee_model(readings.model)
),
rates AS (
    -- what a unit costs, as rate over block, in a tier and the next
    SELECT
        sets.*,
        tiers.tier,
        tiers.maximum AS bound,
        tiers.rate,
        CASE WHEN sets.rate_per = 'block' THEN coalesce(nullif(tiers.block, 0), 1) ELSE 1 END AS per,
        lead(tiers.rate) OVER ladder AS next_rate,
        CASE WHEN sets.rate_per = 'block' THEN coalesce(nullif(lead(tiers.block) OVER ladder, 0), 1) ELSE 1 END AS next_per,
        CASE
            WHEN sets.tier_bound <> 'max_inclusive' THEN 0
            ELSE coalesce(nullif(lead(tiers.block) OVER ladder, 0), CASE WHEN sets.has_fractions THEN 0.001 ELSE 1 END)
        END AS step
    FROM core_rating_tiers AS tiers
    INNER JOIN sets USING (ladder_id)
    WINDOW ladder AS (PARTITION BY ladder_id ORDER BY tiers.tier)
),
steps AS (
    SELECT
        set_no,
        tier,
        bound,
        try(less_allowance(
            quotient(((bound + free_quantity) * next_rate * per)::DECIMAL(28, 10), (rate * next_per)::DECIMAL(28, 10)),
            free_quantity
        )) AS break_even_quantity,
        try(line_amount(
            cost_at_rate(bound + free_quantity + step, 'units', 'block', next_per, next_rate),
            rounding, unit, half
        )::DECIMAL(28, 10)) AS amount_past_bound
    FROM rates
),
cases AS (
    SELECT
        expected.set_no,
        expected.actual,
        sets.reading_id,
        sets.model,
        CASE
            WHEN sets.allowance_rule = 'free_tier' THEN greatest(
                case_quantity(expected.actual, sets.lone_bounds, sets.allowance, sets.first_minimum, sets.first_maximum)
                - sets.free_quantity,
                0
            )
            ELSE quantities.rated_quantity
        END::DECIMAL(28, 10) AS quantity,
        expected.expected_amount,
        CASE WHEN sets.tiers = 1 OR sets.model = 'unit' THEN expected.expected_amount ELSE others.unit_amount END AS unit_amount,
        CASE WHEN sets.tiers = 1 OR sets.model = 'volume' THEN expected.expected_amount ELSE others.volume_amount END AS volume_amount,
        CASE
            WHEN sets.tiers = 1 OR sets.model = 'graduated' THEN expected.expected_amount
            ELSE others.graduated_amount
        END AS graduated_amount,
        steps.bound,
        steps.break_even_quantity,
        sets.model = 'volume' AND steps.amount_past_bound < expected.expected_amount AS is_past_break_even,
        expected.expected_amount - steps.amount_past_bound AS saving
    FROM core_expected AS expected
    INNER JOIN sets USING (set_no)
    INNER JOIN core_rating_quantities AS quantities
        ON quantities.case_id.set_no = expected.set_no AND quantities.case_id.actual = expected.actual
    LEFT JOIN others ON others.set_no = expected.set_no AND others.actual = expected.actual
    LEFT JOIN steps ON steps.set_no = expected.set_no AND steps.tier = expected.expected_tier
    WHERE expected.expected_amount IS NOT NULL AND (sets.tiers = 1 OR others.is_priced)
)
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    accounts.account_name,
    coalesce(former.contract_id, accounts.contract_id) AS contract_id,
    lines.price_list_id,
    cases.reading_id,
    cases.model,
    cases.quantity,
    lines.amount AS billed_amount,
    cases.expected_amount,
    cases.unit_amount,
    cases.volume_amount,
    cases.graduated_amount,
    CASE WHEN cases.bound >= cases.quantity THEN cases.bound END AS next_bound,
    CASE WHEN cases.bound >= cases.quantity THEN cases.bound - cases.quantity END AS distance_to_next_bound,
    CASE WHEN cases.break_even_quantity < cases.bound THEN cases.break_even_quantity END AS break_even_quantity,
    coalesce(cases.is_past_break_even AND cases.quantity > 0, false) AS is_on_cliff,
    CASE WHEN cases.is_past_break_even AND cases.quantity > 0 THEN cases.saving END AS cliff_saving
FROM core_lines AS lines
INNER JOIN cases USING (set_no, actual)
LEFT JOIN core_accounts AS accounts ON accounts.network_id = lines.network_id AND accounts.mailbox_id = lines.mailbox_id
LEFT JOIN core_former_accounts AS former
    ON former.network_id = lines.network_id
    AND former.mailbox_id = lines.mailbox_id
    AND former.reporting_month = lines.reporting_month
WHERE NOT (lines.amount = 0 AND lines.mailbox_id > 0 AND cases.expected_amount > 0)
