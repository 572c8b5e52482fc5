-- One row per rate ladder, further quantity and rule of its shortlist, as a case to rate.
-- kept as: scratch
-- A rule that does not use a stated number is tried only where lines bill a quantity that it can give.
WITH remaining AS (
    SELECT set_no, rule_no
    FROM core_set_readings
    SEMI JOIN core_shortlist USING (set_no, reading_no)
),
rules AS (
    SELECT
        set_no, rule_no, ladder_id, case_reading_id, lone_bounds, allowance_rule, bool_and(plausibility = 'departure') AS is_departure
    FROM core_set_readings
    SEMI JOIN remaining USING (set_no, rule_no)
    GROUP BY ALL
),
cases AS (
    SELECT
        trial_case(tried.case_quantity_no, rules.rule_no) AS case_id,
        rules.ladder_id + tried.ladder_shift AS ladder_id,
        rules.case_reading_id AS reading_id,
        case_quantity(tried.actual, rules.lone_bounds, tried.allowance, tried.first_minimum, tried.first_maximum) AS quantity,
        case_allowance(rules.allowance_rule, rules.lone_bounds, tried.allowance) AS allowance,
        rules.is_departure,
        tried.least_units,
        tried.most_units,
        tried.least_of_blocks,
        tried.most_of_blocks
    FROM core_tried_quantities AS tried
    INNER JOIN rules USING (set_no)
    WHERE NOT tried.is_screened
)
SELECT case_id, ladder_id, reading_id, quantity, allowance
FROM cases
WHERE NOT is_departure
    OR coalesce(
        can_bill(quantity, allowance, least_units, most_units)
        OR can_bill(quantity, allowance, least_of_blocks, most_of_blocks),
        true
    )
