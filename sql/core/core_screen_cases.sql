-- One row per schedule set, quantity screened and rule of its candidates, as a case to rate.
-- kept as: scratch
WITH rules AS (
    SELECT DISTINCT set_no, rule_no, ladder_id, case_reading_id, lone_bounds, allowance_rule
    FROM core_set_readings
)
SELECT
    trial_case(tried.case_quantity_no, rules.rule_no) AS case_id,
    rules.ladder_id + tried.ladder_shift AS ladder_id,
    rules.case_reading_id AS reading_id,
    case_quantity(tried.actual, rules.lone_bounds, tried.allowance, tried.first_minimum, tried.first_maximum) AS quantity,
    case_allowance(rules.allowance_rule, rules.lone_bounds, tried.allowance) AS allowance
FROM core_tried_quantities AS tried
INNER JOIN rules USING (set_no)
WHERE tried.is_screened
