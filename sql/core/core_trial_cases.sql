-- One row per schedule set, further quantity and rule of its shortlist, as a case to rate.
-- kept as: scratch
WITH rules AS (
    SELECT DISTINCT set_no, rule_no, ladder_id, case_reading_id, lone_bounds, allowance_rule
    FROM core_set_readings
    SEMI JOIN core_shortlist USING (set_no, reading_no)
)
SELECT
    trial_case(quantities.quantity_no, rules.rule_no) AS case_id,
    rules.ladder_id,
    rules.case_reading_id AS reading_id,
    case_quantity(quantities.actual, rules.lone_bounds, sets.allowance, sets.first_minimum, sets.first_maximum) AS quantity,
    case_allowance(rules.allowance_rule, rules.lone_bounds, sets.allowance) AS allowance
FROM core_trial_quantities AS quantities
INNER JOIN rules USING (set_no)
INNER JOIN core_sets AS sets USING (set_no)
WHERE NOT quantities.is_screened
