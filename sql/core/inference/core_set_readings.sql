-- One row per rate ladder and distinct candidate interpretation of it.
-- Attributes that cannot matter on the ladder are set to one value, and equal candidates are merged: so no difference is undecided that
-- could never be decided. `reading_id` names the attributes that do matter, `case_reading_id` is the
-- same rule in core_rating_readings, `ladder_id` the ladder's tiers under the interpretation.
-- A candidate that leaves a stated number without any use (the allowance, a block that neither quantity nor price is counted in, floor
-- or cap of a schedule alone) is a departure from the terms, not an interpretation: its `plausibility` is departure. It never leads and
-- is never tied, unless it is an override; core_reading_departures has the lines billed so. Block 0 and 1, Minimum 0 and 1 and no Maximum
-- have no effect.
-- A candidate of another model than contract_terms.csv states is `excluded`: it never leads and is never tied, however many lines fit it.
-- Ladders of one shape have the same candidates, which are computed once. `places` are the candidates of core_readings that are merged.
WITH sets AS (
    SELECT
        sets.set_no,
        tiers = 1 AS has_one_tier,
        coalesce(unknown.is_lone, false) AS is_lone_tier,
        CASE
            WHEN tiers > 1 THEN contract_model
            WHEN contract_model IN ('volume', 'graduated') THEN 'unit'
            WHEN contract_model = 'stacked_flat' THEN 'stairstep'
            ELSE contract_model
        END AS contract_model,
        allowance > 0 AS has_allowance,
        -- the bounds of the only known tier of a ladder are those of the tier, not floor and cap
        NOT is_lone_tier AND coalesce(first_minimum, 0) <> 0 AS has_minimum,
        NOT is_lone_tier AND coalesce(first_maximum, 0) <> 0 AS has_maximum,
        NOT is_lone_tier AND coalesce(first_minimum, 0) > 1 AS is_floor_stated,
        is_without_blocks,
        is_cut_at_maximum_only,
        is_continuous,
        is_in_whole_units,
        -- blocks of one unit round nothing where quantities are whole
        has_unit_blocks AND NOT has_fractions AND allowance % 1 = 0 AS has_idle_blocks,
        has_unit_blocks,
        has_fractions
    FROM core_sets AS sets
    LEFT JOIN core_unknown_tiers AS unknown ON unknown.set_no = sets.set_no
    WHERE kind NOT IN ('percentage', 'subtotal', 'minimum')
),
numbered_sets AS (
    SELECT
        *,
        dense_rank() OVER (
            ORDER BY
                has_one_tier, has_allowance, has_minimum, has_maximum, is_floor_stated, is_without_blocks, is_cut_at_maximum_only,
                is_continuous, is_in_whole_units, has_idle_blocks, has_unit_blocks, has_fractions, contract_model, is_lone_tier
        ) AS shape_no
    FROM sets
),
shapes AS (
    SELECT DISTINCT * EXCLUDE (set_no)
    FROM numbered_sets
),
tried AS (
    SELECT shapes.*, readings.*
    FROM shapes
    INNER JOIN core_readings AS readings
        ON readings.lone_bounds = 'ignored' OR shapes.has_one_tier
),
one_tier AS (
    SELECT
        * REPLACE (
            CASE
                WHEN NOT has_one_tier THEN model
                WHEN model IN ('volume', 'graduated') THEN 'unit'
                WHEN model = 'stacked_flat' THEN 'stairstep'
                ELSE model
            END AS model,
            -- Remote: a fee per step on a schedule alone, where a flat fee is Rate for one of it, unless it is the only known tier of a
            -- ladder; and, where each Minimum is the Maximum before plus one, a tier that begins with its Minimum, for what lies between
            -- the two was never meant.
            CASE
                WHEN has_one_tier AND NOT is_lone_tier AND is_fee_model(model) AND contract_model IS DISTINCT FROM 'stairstep'
                    THEN 'remote'
                WHEN NOT has_one_tier AND tier_bound = 'min_exclusive' AND is_in_whole_units AND has_fractions THEN 'remote'
                ELSE plausibility
            END AS plausibility,
            CASE
                WHEN has_one_tier OR model = 'unit' THEN 'max_inclusive'
                WHEN tier_bound = 'min_exclusive' AND is_cut_at_maximum_only THEN 'max_exclusive'
                WHEN tier_bound = 'min_exclusive' AND is_continuous THEN 'max_exclusive'
                WHEN tier_bound = 'min_exclusive' AND is_in_whole_units AND NOT has_fractions THEN 'max_inclusive'
                ELSE tier_bound
            END AS tier_bound,
            CASE
                WHEN NOT has_one_tier THEN 'ignored'
                WHEN lone_bounds LIKE 'floor_and_cap%' AND NOT has_minimum AND NOT has_maximum THEN 'ignored'
                WHEN lone_bounds = 'floor' AND NOT has_minimum THEN 'ignored'
                WHEN lone_bounds = 'floor' AND NOT has_maximum THEN 'floor_and_cap'
                WHEN lone_bounds = 'cap' AND NOT has_maximum THEN 'ignored'
                WHEN lone_bounds = 'cap' AND NOT has_minimum THEN 'floor_and_cap'
                WHEN lone_bounds = 'floor_and_cap_after_allowance' AND NOT has_allowance THEN 'floor_and_cap'
                ELSE lone_bounds
            END AS lone_bounds,
            CASE WHEN is_without_blocks THEN zero_block ELSE 'no_blocks' END AS zero_block
        )
    FROM tried
),
without_blocks AS (
    SELECT
        * REPLACE (
            CASE
                WHEN is_without_blocks AND zero_block = 'no_blocks' THEN 'none'
                WHEN has_idle_blocks THEN 'none'
                -- a single slice: its blocks are those of the quantity
                WHEN model = 'unit' AND blocks LIKE '%\_by\_tier' ESCAPE '\' AND allowance_rule <> 'free_tier'
                    THEN replace(blocks, '_by_tier', '')
                ELSE blocks
            END AS blocks,
            CASE WHEN has_unit_blocks THEN 'unit' ELSE rate_per END AS rate_per,
            CASE WHEN has_unit_blocks THEN 'units' ELSE billed_in END AS billed_in,
            CASE WHEN has_idle_blocks THEN 'no_blocks' ELSE zero_block END AS zero_block
        )
    FROM one_tier
),
allowed AS (
    SELECT
        * REPLACE (
            CASE
                WHEN NOT has_allowance THEN 'before_blocks'
                WHEN allowance_rule = 'after_blocks' AND blocks = 'none' THEN 'before_blocks'
                -- a free tier in front of a single price: what it holds is free, the rest is priced
                WHEN allowance_rule = 'free_tier' AND model = 'unit'
                    THEN CASE WHEN blocks = 'none' OR blocks LIKE '%\_by\_tier' ESCAPE '\' THEN 'before_blocks' ELSE 'after_blocks' END
                ELSE allowance_rule
            END AS allowance_rule,
            CASE
                WHEN model = 'unit' AND blocks LIKE '%\_by\_tier' ESCAPE '\' THEN replace(blocks, '_by_tier', '')
                ELSE blocks
            END AS blocks
        )
    FROM without_blocks
),
distinct_readings AS (
    SELECT
        shape_no, model, tier_bound, allowance_rule, blocks, rate_per, billed_in, lone_bounds, zero_block, zero_quantity,
        min(place) AS place,
        list(place ORDER BY place) AS places,
        CASE
            WHEN (has_allowance AND allowance_rule = 'ignored')
                OR (NOT has_unit_blocks AND blocks = 'none' AND rate_per = 'unit' AND billed_in = 'units')
                OR (has_one_tier AND is_floor_stated AND lone_bounds IN ('ignored', 'cap'))
                OR (has_one_tier AND has_maximum AND lone_bounds IN ('ignored', 'floor'))
                THEN 'departure'
            WHEN model <> contract_model THEN 'excluded'
            WHEN bool_or(plausibility = 'ordinary') THEN 'ordinary'
            ELSE 'remote'
        END AS plausibility,
        is_floor_stated AND has_maximum AS has_both_bounds
    FROM allowed
    GROUP BY
        shape_no, model, tier_bound, allowance_rule, blocks, rate_per, billed_in, lone_bounds, zero_block, zero_quantity,
        has_allowance, has_unit_blocks, has_one_tier, is_floor_stated, has_maximum, contract_model
),
worded AS (
    SELECT
        *,
        [
            model,
            CASE WHEN min(tier_bound) OVER same_model <> max(tier_bound) OVER same_model THEN tier_bound END,
            CASE WHEN min(allowance_rule) OVER same_model <> max(allowance_rule) OVER same_model THEN 'allowance_' || allowance_rule END,
            CASE WHEN min(blocks) OVER same_model <> max(blocks) OVER same_model THEN 'blocks_' || blocks END,
            CASE WHEN min(rate_per) OVER same_model <> max(rate_per) OVER same_model THEN 'rate_per_' || rate_per END,
            CASE WHEN min(billed_in) OVER same_model <> max(billed_in) OVER same_model THEN 'billed_in_' || billed_in END,
            CASE WHEN min(lone_bounds) OVER same_model <> max(lone_bounds) OVER same_model THEN 'bounds_' || lone_bounds END,
            CASE WHEN zero_block = 'one_unit' THEN 'zero_block_is_' || zero_block END,
            CASE WHEN min(zero_quantity) OVER same_model <> max(zero_quantity) OVER same_model THEN 'zero_' || zero_quantity END
        ] AS all_words
    FROM distinct_readings
    WINDOW same_model AS (PARTITION BY shape_no, model)
),
shape_readings AS (
    SELECT
        shape_no,
        row_number() OVER (PARTITION BY shape_no ORDER BY place)::INTEGER AS reading_no,
        places,
        array_to_string(list_filter(all_words, lambda word: word IS NOT NULL), '.') AS reading_id,
        [
            model, tier_bound, 'allowance_' || allowance_rule, 'blocks_' || blocks, 'rate_per_' || rate_per,
            'billed_in_' || billed_in, 'bounds_' || lone_bounds, 'zero_block_is_' || zero_block, 'zero_' || zero_quantity
        ] AS words,
        plausibility,
        has_both_bounds,
        model,
        tier_bound,
        allowance_rule,
        blocks,
        rate_per,
        billed_in,
        lone_bounds,
        zero_block,
        zero_quantity,
        -- candidates that differ only in how QuantityBilled counts share one rule, rated once
        dense_rank() OVER (
            PARTITION BY shape_no
            ORDER BY
                model, tier_bound, allowance_rule, blocks, rate_per, lone_bounds, zero_block, zero_quantity
        )::INTEGER AS rule_no,
        concat_ws(
            '.', model, CASE WHEN tier_bound = 'max_inclusive' THEN 'inclusive' ELSE 'exclusive' END,
            CASE WHEN allowance_rule = 'ignored' THEN 'before_blocks' ELSE allowance_rule END, blocks, rate_per, zero_quantity
        ) AS case_reading_id
    FROM worded
)
SELECT
    sets.set_no,
    readings.* EXCLUDE (shape_no),
    sets.set_no::BIGINT * 4
        + CASE WHEN readings.tier_bound = 'min_exclusive' THEN 2 ELSE 0 END
        + CASE WHEN is_fee_model(readings.model) THEN 1 ELSE 0 END AS ladder_id
FROM numbered_sets AS sets
INNER JOIN shape_readings AS readings USING (shape_no)
