-- One row per group of trial lines (core_trial_lines): the evidence that they give.
-- kept as: scratch
-- is_telling: the candidates give different amounts or quantities for it. Candidates are here the best interpretation and the
-- ordinary ones that price like it, by rates or by fees of steps. If there is only one, every line is telling but those of a
-- quantity below 0: no interpretation prices one. `tier_reached` is the tier that the quantity reaches under that reading (1 where it
-- reaches none), `highest_tier` under any.
WITH leaders AS (
    SELECT set_no, reading_no
    FROM core_reading_ranks
    WHERE place = 1
),
kinds AS (
    SELECT
        leaders.set_no,
        leaders.reading_no,
        readings.rule_no,
        is_fee_model(readings.model) AS is_fee,
        roundings.rounding,
        roundings.unit,
        roundings.half
    FROM leaders
    INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
    INNER JOIN core_reading_roundings USING (set_no, reading_no)
    INNER JOIN core_roundings AS roundings USING (rounding_no)
),
candidates AS (
    SELECT readings.set_no, readings.rule_no, readings.billed_in
    FROM core_set_readings AS readings
    INNER JOIN kinds USING (set_no)
    WHERE readings.reading_no = kinds.reading_no
        OR (
            readings.plausibility = 'ordinary'
            AND is_fee_model(readings.model) = kinds.is_fee
        )
),
ways AS (
    -- possible units of QuantityBilled
    SELECT
        set_no,
        bool_or(billed_in = 'units') AS has_units,
        bool_or(billed_in = 'blocks') AS has_blocks,
        count(DISTINCT rule_no) = 1 AND count(DISTINCT billed_in) = 1 AS is_alone
    FROM candidates
    GROUP BY set_no
),
rules AS (
    SELECT set_no, candidates.rule_no, candidates.rule_no = kinds.rule_no AS is_leading, kinds.rounding, kinds.unit, kinds.half
    FROM (SELECT DISTINCT set_no, rule_no FROM candidates) AS candidates
    INNER JOIN kinds USING (set_no)
),
rated AS (
    SELECT case_id, amount_exact, slices, units, blocks, tier, error
    FROM core_screen_rated
    UNION ALL
    SELECT case_id, amount_exact, slices, units, blocks, tier, error
    FROM core_trial_rated
),
spans AS (
    SELECT
        any_value(quantities.set_no) AS set_no,
        quantities.quantity_no,
        min(CASE
            WHEN rated.slices IS NULL OR NOT is_of_slices(rules.rounding) THEN rated.amount_exact
            ELSE try(rounded_amount(rated.amount_exact, rated.slices, rules.rounding, rules.unit, rules.half))
        END) AS least,
        max(CASE
            WHEN rated.slices IS NULL OR NOT is_of_slices(rules.rounding) THEN rated.amount_exact
            ELSE try(rounded_amount(rated.amount_exact, rated.slices, rules.rounding, rules.unit, rules.half))
        END) AS most,
        min(rated.units) AS least_units,
        max(rated.units) AS most_units,
        min(rated.blocks) AS least_blocks,
        max(rated.blocks) AS most_blocks,
        count(rated.error) > 0 AND count(rated.amount_exact) > 0 AS is_refused_by_some,
        max(rated.tier) AS highest_tier,
        any_value(rated.tier) FILTER (WHERE rules.is_leading) AS tier_reached
    FROM rated
    INNER JOIN core_trial_quantities AS quantities ON quantities.quantity_no = quantity_of_case(rated.case_id)
    INNER JOIN rules ON rules.set_no = quantities.set_no AND rules.rule_no = rule_of_case(rated.case_id)
    GROUP BY quantities.quantity_no
),
compared AS (
    SELECT
        spans.quantity_no,
        ways.is_alone,
        greatest(coalesce(spans.highest_tier, 1), 1) AS highest_tier,
        greatest(coalesce(spans.tier_reached, 1), 1) AS tier_reached,
        spans.most <> 0 OR spans.most_units <> 0 AS is_billed,
        spans.is_refused_by_some
        OR (ways.has_units AND spans.least_units <> spans.most_units)
        OR (ways.has_blocks AND spans.least_blocks <> spans.most_blocks)
        OR (ways.has_units AND ways.has_blocks AND spans.least_units <> spans.least_blocks)
        OR (
            spans.least <> spans.most
            -- an amount too large to be rounded differs from any other
            AND try(line_amount(spans.least, kinds.rounding, kinds.unit, kinds.half))
            IS DISTINCT FROM try(line_amount(spans.most, kinds.rounding, kinds.unit, kinds.half))
        ) AS differs
    FROM spans
    INNER JOIN ways USING (set_no)
    INNER JOIN kinds USING (set_no)
)
SELECT
    lines.set_no,
    lines.trial_no,
    lines.lines,
    lines.actual,
    lines.shown_tier,
    compared.tier_reached,
    compared.highest_tier,
    CASE
        WHEN compared.is_alone THEN lines.actual >= 0 AND (compared.is_billed OR lines.amount <> 0 OR lines.quantity_billed <> 0)
        ELSE compared.differs
    END AS is_telling
FROM core_trial_lines AS lines
INNER JOIN compared USING (quantity_no)
