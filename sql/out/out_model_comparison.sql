-- One row per line rated by unit prices: what it costs under unit, volume and graduated pricing, and where the next tier begins.
-- kept as: view
-- A line that a model has no price for (below 0, past a bounded last tier), or of which nothing is billed though a model prices it, is not here: nothing can be compared.
-- `quantity` is what enters the tiers, after the allowance; bounds and distances are in the same units. `break_even_quantity` is the
-- quantity of the tier reached from which on, under volume pricing, the first quantity of the next tier costs less.
-- A line billed by volume that lies above it is on a cliff: more use would cost less, `cliff_saving` at the next tier's first block.
-- A bound that is excluded is itself the next tier's first quantity. A free tier is priced too, once it is passed: under it the
-- whole quantity counts, and the break-even may be 0.
WITH models AS (
    SELECT
        line_case_id AS case_id,
        any_value(amount) FILTER (WHERE model = 'unit') AS unit_amount,
        any_value(amount) FILTER (WHERE model = 'volume') AS volume_amount,
        any_value(amount) FILTER (WHERE model = 'graduated') AS graduated_amount
    FROM core_comparison_rated
    GROUP BY line_case_id
    HAVING bool_and(amount IS NOT NULL)
),
rates AS (
    SELECT
        tiers.ladder_id,
        tiers.tier,
        tiers.maximum AS bound,
        tiers.rate,
        nullif(tiers.block, 0) AS block,
        lead(tiers.rate) OVER ladder AS next_rate,
        nullif(lead(tiers.block) OVER ladder, 0) AS next_block
    FROM core_rating_tiers AS tiers
    WINDOW ladder AS (PARTITION BY tiers.ladder_id ORDER BY tiers.tier)
),
cases AS (
    SELECT
        cases.set_no,
        cases.actual,
        cases.case_id,
        readings.model,
        readings.reading_id,
        try_cast(CASE
            WHEN readings.allowance_rule = 'free_tier' THEN greatest(cases.quantity - cases.allowance, 0)
            ELSE greatest(coalesce(quantities.rated_quantity, cases.quantity - cases.allowance), 0)
        END AS DECIMAL(28, 10)) AS quantity,
        expected.expected_tier,
        expected.expected_amount,
        rates.bound,
        -- what a unit costs, as rate over block, in this tier and the next
        rates.rate,
        CASE WHEN readings.rate_per = 'block' THEN coalesce(rates.block, 1) ELSE 1 END AS per,
        rates.next_rate,
        CASE WHEN readings.rate_per = 'block' THEN coalesce(rates.next_block, 1) ELSE 1 END AS next_per,
        CASE
            WHEN readings.tier_bound <> 'max_inclusive' THEN 0
            ELSE coalesce(rates.next_block, CASE WHEN sets.has_fractions THEN 0.001 ELSE 1 END)
        END AS step,
        CASE WHEN readings.allowance_rule = 'free_tier' THEN cases.allowance ELSE 0 END AS free_quantity,
        roundings.rounding,
        roundings.unit,
        roundings.half
    FROM core_rating_cases AS cases
    INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
    INNER JOIN core_expected AS expected ON expected.case_id = cases.case_id
    INNER JOIN core_sets AS sets ON sets.set_no = cases.set_no
    INNER JOIN core_price_list_roundings AS chosen ON chosen.price_list_id = sets.price_list_id
    INNER JOIN core_roundings AS roundings USING (rounding_no)
    LEFT JOIN core_rating_quantities AS quantities ON quantities.case_id = cases.case_id
    LEFT JOIN rates ON rates.ladder_id = cases.ladder_id AND rates.tier = expected.expected_tier
    WHERE cases.is_chosen AND readings.model IN ('unit', 'volume', 'graduated')
),
steps AS (
    SELECT
        *,
        greatest(
            try(
                quotient(((bound + free_quantity) * next_rate * per)::DECIMAL(28, 10), (rate * next_per)::DECIMAL(28, 10))
                - free_quantity
            ),
            0
        ) AS break_even_quantity,
        try(line_amount(
            cost_at_rate(bound + free_quantity + step, 'units', CASE WHEN next_per = 1 THEN 'unit' ELSE 'block' END, next_per, next_rate),
            rounding, unit, half
        )::DECIMAL(28, 10)) AS amount_past_bound
    FROM cases
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
    steps.reading_id,
    steps.model,
    steps.quantity,
    lines.amount AS billed_amount,
    steps.expected_amount,
    models.unit_amount::DECIMAL(28, 10) AS unit_amount,
    models.volume_amount::DECIMAL(28, 10) AS volume_amount,
    models.graduated_amount::DECIMAL(28, 10) AS graduated_amount,
    steps.bound AS next_bound,
    steps.bound - steps.quantity AS distance_to_next_bound,
    CASE WHEN steps.break_even_quantity < steps.bound THEN steps.break_even_quantity END AS break_even_quantity,
    coalesce(
        steps.model = 'volume' AND steps.quantity > 0 AND steps.amount_past_bound < steps.expected_amount, false
    ) AS is_on_cliff,
    CASE
        WHEN steps.model = 'volume' AND steps.quantity > 0 AND steps.amount_past_bound < steps.expected_amount
            THEN steps.expected_amount - steps.amount_past_bound
    END AS cliff_saving
FROM core_lines AS lines
INNER JOIN steps USING (set_no, actual)
INNER JOIN models USING (case_id)
LEFT JOIN core_accounts AS accounts ON accounts.network_id = lines.network_id AND accounts.mailbox_id = lines.mailbox_id
LEFT JOIN core_former_accounts AS former
    ON former.network_id = lines.network_id
    AND former.mailbox_id = lines.mailbox_id
    AND former.reporting_month = lines.reporting_month
WHERE NOT (lines.amount = 0 AND lines.mailbox_id > 0 AND steps.expected_amount > 0)
