-- One row per quantity on trial of lines that other terms in force may price, rate ladder of these (core_other_terms) and rule by which it
-- may be meant, as a case to rate.
-- kept as: scratch
WITH quantities AS (
    SELECT DISTINCT other.other_set_no AS set_no, lines.actual
    FROM core_other_terms AS other
    INNER JOIN core_lines AS lines USING (terms_no)
    SEMI JOIN core_trial_quantities AS tried ON tried.set_no = other.set_no AND tried.actual = lines.actual
),
rules AS (
    SELECT DISTINCT set_no, rule_no, ladder_id, case_reading_id, lone_bounds, allowance_rule
    FROM core_set_readings
    WHERE plausibility IN ('ordinary', 'remote')
)
SELECT
    struct_pack(set_no := quantities.set_no, actual := quantities.actual, rule_no := rules.rule_no) AS case_id,
    rules.ladder_id,
    rules.case_reading_id AS reading_id,
    case_quantity(quantities.actual, rules.lone_bounds, sets.allowance, sets.first_minimum, sets.first_maximum) AS quantity,
    case_allowance(rules.allowance_rule, rules.lone_bounds, sets.allowance) AS allowance
FROM quantities
INNER JOIN core_sets AS sets ON sets.set_no = quantities.set_no AND sets.kind IN ('count', 'fee')
INNER JOIN rules ON rules.set_no = quantities.set_no
