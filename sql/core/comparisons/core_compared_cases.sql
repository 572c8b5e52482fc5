-- One row per rate ladder priced by units and quantity on its lines: its cost by each model, and where the next tier begins.
-- Lines of the same ladder and quantity share it (out_model_comparison). A quantity that a model has no price for has no row.
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
)
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
