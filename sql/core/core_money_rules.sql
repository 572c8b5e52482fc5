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
        CASE base
            WHEN 'counted_lines' THEN 'the account''s counted charges'
            WHEN 'lines_before' THEN 'the lines before it'
            WHEN 'other_lines' THEN 'the account''s other lines'
            WHEN 'usage_lines' THEN 'the account''s charges for use'
            ELSE 'the Actual that the line shows'
        END
    ) AS rule
FROM core_money_readings
