-- One row per rate ladder: its shape, which decides what attributes of an interpretation can have an effect on it.
-- has_fractions is observed: a measure (of any price list) that showed a fraction of a unit at least once. On whole quantities a bound at
-- 1,200 and one just before 1,201 are the same, and a block of 1 rounds nothing.
WITH neighbours AS (
    SELECT DISTINCT
        set_no, tier, allowance, minimum, maximum, block, rate,
        lead(minimum) OVER ladder AS next_minimum,
        lead(tier) OVER ladder IS NULL AS is_last
    FROM core_set_tiers
    WINDOW ladder AS (PARTITION BY set_no ORDER BY tier)
),
shapes AS (
    SELECT
        set_no,
        count(*)::INTEGER AS tiers,
        any_value(allowance) FILTER (WHERE tier = 1) AS allowance,
        any_value(minimum) FILTER (WHERE tier = 1) AS first_minimum,
        any_value(maximum) FILTER (WHERE tier = 1) AS first_maximum,
        any_value(rate) FILTER (WHERE tier = 1) AS first_rate,
        any_value(block) FILTER (WHERE tier = 1) AS first_block,
        bool_and(block = 0) AS is_without_blocks,
        bool_and(block IN (0, 1)) AS has_unit_blocks,
        -- what Minimum is beside the Maximum before it
        bool_and(coalesce(next_minimum, 0) = 0) FILTER (WHERE NOT is_last) AS is_cut_at_maximum_only,
        bool_and(next_minimum = maximum) FILTER (WHERE NOT is_last) AS is_continuous,
        bool_and(next_minimum = maximum + 1) FILTER (WHERE NOT is_last) AS is_in_whole_units
    FROM neighbours
    GROUP BY set_no
)
SELECT
    set_no,
    any_value(tiers.schedule_set_id) AS schedule_set_id,
    any_value(tiers.price_list_id) AS price_list_id,
    max(tiers.price_list_description) AS price_list_description,
    any_value(tiers.account_report) AS account_report,
    any_value(tiers.measure_field) AS measure_field,
    any_value(tiers.specified_network_id) AS specified_network_id,
    any_value(tiers.model) AS model_word,
    any_value(tiers.contract_model) AS contract_model,
    coalesce(any_value(measures.kind), 'count') AS kind,
    coalesce(any_value(measures.unit), 'unit') AS unit,
    any_value(shapes.tiers) AS tiers,
    any_value(shapes.allowance) AS allowance,
    any_value(shapes.first_minimum) AS first_minimum,
    any_value(shapes.first_maximum) AS first_maximum,
    any_value(shapes.first_rate) AS first_rate,
    any_value(shapes.first_block) AS first_block,
    any_value(shapes.is_without_blocks) AS is_without_blocks,
    any_value(shapes.has_unit_blocks) AS has_unit_blocks,
    coalesce(any_value(shapes.is_cut_at_maximum_only), true) AS is_cut_at_maximum_only,
    coalesce(any_value(shapes.is_continuous), true) AS is_continuous,
    coalesce(any_value(shapes.is_in_whole_units), true) AS is_in_whole_units,
    coalesce(any_value(fractions.has_fractions), false) AS has_fractions,
    min(tiers.reporting_month) AS first_month,
    max(tiers.reporting_month) AS last_month
FROM core_tiers AS tiers
INNER JOIN shapes USING (set_no)
LEFT JOIN reference_measures AS measures USING (measure_field)
LEFT JOIN core_fractions AS fractions USING (measure_field)
GROUP BY set_no
