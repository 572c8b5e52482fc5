-- One row per rate ladder and interpretation that rates its lines: the rule as text.
WITH words AS (
    SELECT
        readings.set_no,
        readings.reading_no,
        readings.reading_id,
        CASE
            WHEN readings.lone_bounds IN ('floor_and_cap', 'floor_and_cap_after_allowance')
                THEN concat(
                    'at least ', grouped_text(coalesce(sets.first_minimum, 0)), ' ', sets.unit, 's',
                    CASE WHEN sets.first_maximum > 0 THEN ' and at most ' || grouped_text(sets.first_maximum) ELSE '' END,
                    CASE
                        WHEN readings.lone_bounds = 'floor_and_cap_after_allowance' THEN ' of what the allowance leaves'
                        ELSE ''
                    END,
                    ' are billed'
                )
            WHEN readings.lone_bounds = 'floor' THEN concat('at least ', grouped_text(sets.first_minimum), ' ', sets.unit, 's are billed')
            WHEN readings.lone_bounds = 'cap' THEN concat('at most ', grouped_text(sets.first_maximum), ' ', sets.unit, 's are billed')
        END AS bounds_words,
        CASE
            WHEN sets.allowance = 0 THEN NULL
            WHEN readings.allowance_rule = 'ignored' THEN concat('the allowance of ', grouped_text(sets.allowance), ' is not applied')
            WHEN readings.allowance_rule = 'free_tier'
                THEN concat('the first ', grouped_text(sets.allowance), ' are a free tier in front, which shifts the others')
            WHEN readings.allowance_rule = 'after_blocks'
                THEN concat('the allowance of ', grouped_text(sets.allowance), ' comes off after rounding to blocks')
            ELSE concat('the allowance of ', grouped_text(sets.allowance), ' comes off first')
        END AS allowance_words,
        CASE
            WHEN readings.blocks = 'none' THEN CASE WHEN sets.is_without_blocks THEN NULL ELSE 'blocks are not rounded' END
            ELSE concat(
                'whole blocks', CASE
                    WHEN sets.first_block > 0 AND readings.blocks NOT LIKE '%_by_tier' THEN ' of ' || grouped_text(sets.first_block)
                    ELSE ''
                END,
                CASE WHEN readings.blocks LIKE '%_by_tier' THEN ' inside each tier' ELSE '' END,
                ', rounded ', replace(readings.blocks, '_by_tier', '')
            )
        END AS block_words,
        CASE readings.model
            WHEN 'unit' THEN CASE WHEN sets.tiers > 1 THEN 'every unit at the rate of the first tier' ELSE 'every unit at one rate' END
            WHEN 'volume' THEN 'every unit at the rate of the tier reached'
            WHEN 'graduated' THEN 'each slice at the rate of its own tier'
            WHEN 'stairstep' THEN 'the fee of the step reached, whatever the quantity within it'
            ELSE 'the fees of all steps reached, added up'
        END AS model_words,
        CASE
            WHEN sets.tiers = 1 OR readings.model = 'unit' THEN NULL
            WHEN readings.tier_bound = 'max_inclusive' THEN 'a tier ends with its Maximum included'
            WHEN readings.tier_bound = 'max_exclusive' THEN 'a tier ends just before its Maximum'
            ELSE 'a tier begins with its Minimum'
        END AS tier_words,
        CASE
            WHEN is_fee_model(readings.model) OR sets.has_unit_blocks THEN NULL
            ELSE 'Rate is per ' || readings.rate_per
        END AS rate_words,
        CASE WHEN readings.billed_in = 'blocks' THEN 'QuantityBilled counts blocks' END AS billed_words,
        CASE WHEN readings.zero_quantity = 'pays_flat' THEN 'no use pays the first step' END AS zero_words,
        CASE
            WHEN roundings.rounding = 'none' THEN 'the amount is not rounded'
            ELSE concat(
                CASE WHEN is_of_slices(roundings.rounding) THEN 'each slice' ELSE 'the line' END, ' is rounded ',
                replace(regexp_replace(roundings.rounding, '_(slices|fives)$', ''), '_', ' '), ' to ',
                CASE WHEN ends_with(roundings.rounding, '_fives') THEN 'multiples of 0.05' ELSE roundings.scale || ' decimals' END
            )
        END AS rounding_words
    FROM core_set_readings AS readings
    INNER JOIN core_sets AS sets USING (set_no)
    INNER JOIN core_reading_roundings AS roundings USING (set_no, reading_no)
)
SELECT
    set_no,
    reading_no,
    reading_id,
    concat_ws(
        '; ', bounds_words, allowance_words, block_words, model_words, tier_words, rate_words, billed_words, zero_words,
        rounding_words
    ) AS rule
FROM words
