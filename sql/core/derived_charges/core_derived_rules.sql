-- One row per candidate interpretation of a derived charge: its rule as text.
-- `rule_name` is the rule ("the true-up"), `base_words` its base, `rule` both as one phrase.
WITH words AS (
    SELECT
        reading_no,
        reading_id,
        rule AS rule_word,
        CASE rule
            WHEN 'per_hundred' THEN 'Rate percent'
            WHEN 'per_hundred_negated' THEN 'a credit of Rate percent'
            WHEN 'fraction' THEN 'Rate as a fraction'
            WHEN 'fraction_negated' THEN 'a credit of Rate as a fraction'
            WHEN 'amount_is_base' THEN 'a subtotal that bills its sum'
            WHEN 'amount_nothing' THEN 'a subtotal that bills nothing'
            WHEN 'true_up' THEN 'the true-up'
            WHEN 'whole_when_below' THEN 'the whole minimum'
            ELSE 'the fixed minimum'
        END AS rule_name,
        concat(
            CASE
                WHEN base_word = 'shown_actual' THEN 'the Actual that the line shows'
                WHEN base_word = 'lines_before' THEN 'the lines before it'
                ELSE concat(
                    'the ', scope, '''s ',
                    CASE base_word
                        WHEN 'counted_lines' THEN 'counted charges'
                        WHEN 'other_lines' THEN 'other charges'
                        WHEN 'usage_lines' THEN 'usage charges'
                        ELSE concat('charges (', replace(array_to_string(parts, ', '), 'one_time', 'one-time'), ')')
                    END
                )
            END,
            CASE WHEN period = 'month_before' THEN ' of the month before' ELSE '' END
        ) AS base_words
    FROM core_derived_readings
)
SELECT
    reading_no,
    reading_id,
    rule_name,
    base_words,
    concat(
        CASE rule_word
            WHEN 'per_hundred' THEN 'Rate percent of '
            WHEN 'per_hundred_negated' THEN 'a credit of Rate percent of '
            WHEN 'fraction' THEN 'Rate times '
            WHEN 'fraction_negated' THEN 'a credit of Rate times '
            WHEN 'amount_is_base' THEN 'the sum of '
            WHEN 'amount_nothing' THEN 'nothing, with Actual as the sum of '
            WHEN 'true_up' THEN 'a true-up to Rate from '
            WHEN 'whole_when_below' THEN 'Rate in full where it is above '
            ELSE 'Rate in full, whatever is billed in '
        END,
        base_words
    ) AS rule
FROM words
