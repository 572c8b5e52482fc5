-- One row per candidate reading of money of other lines: the rule in words.
SELECT
    reading_no,
    reading_id,
    concat(
        CASE rule
            WHEN 'per_hundred' THEN 'Rate per hundred of '
            WHEN 'per_hundred_negated' THEN 'Rate per hundred, taken off, of '
            WHEN 'fraction' THEN 'Rate times '
            WHEN 'fraction_negated' THEN 'Rate, taken off, times '
            WHEN 'amount_is_base' THEN 'the sum of '
            WHEN 'amount_nothing' THEN 'nothing: Actual alone says the sum of '
            WHEN 'true_up' THEN 'what is missing to Rate, beside the sum of '
            WHEN 'whole_when_below' THEN 'Rate in whole when it is above the sum of '
            ELSE 'Rate in any case, beside the sum of '
        END,
        CASE
            WHEN base_word = 'shown_actual' THEN 'the Actual that the line shows'
            WHEN base_word = 'lines_before' THEN 'the lines before it'
            ELSE concat(
                'the ', scope, '''s ',
                CASE base_word
                    WHEN 'counted_lines' THEN 'counted charges'
                    WHEN 'other_lines' THEN 'other lines'
                    WHEN 'usage_lines' THEN 'charges for use'
                    ELSE concat('charges (', replace(array_to_string(parts, ', '), 'one_time', 'one-time'), ')')
                END
            )
        END,
        CASE WHEN period = 'month_before' THEN ' of the month before' ELSE '' END
    ) AS rule
FROM core_money_readings
