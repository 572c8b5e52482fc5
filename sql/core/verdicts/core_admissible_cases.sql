-- One row per quantity on lines that do not fit their own terms and that other terms in force may price, rate ladder of these
-- (core_other_terms) and rule by which it may be meant (core_admissible_readings), as a case to rate.
-- kept as: scratch
WITH quantities AS (
    SELECT DISTINCT other.set_no, other.other_set_no, lines.actual
    FROM core_other_terms AS other
    INNER JOIN core_lines AS lines USING (terms_no)
    LEFT JOIN core_expected AS expected ON expected.set_no = other.set_no AND expected.actual = lines.actual
    WHERE (lines.quantity_billed, lines.amount) IS DISTINCT FROM (expected.expected_quantity_billed, expected.expected_amount)
),
rules AS (
    SELECT DISTINCT
        quantities.other_set_no AS set_no,
        quantities.actual,
        readings.rule_no,
        readings.ladder_id,
        readings.case_reading_id,
        readings.lone_bounds,
        readings.allowance_rule
    FROM quantities
    INNER JOIN core_admissible_readings AS admissible USING (set_no, other_set_no)
    INNER JOIN core_set_readings AS readings ON readings.set_no = admissible.other_set_no AND readings.reading_no = admissible.reading_no
)
SELECT
    struct_pack(set_no := rules.set_no, actual := rules.actual, rule_no := rules.rule_no) AS case_id,
    rules.ladder_id,
    rules.case_reading_id AS reading_id,
    case_quantity(rules.actual, rules.lone_bounds, sets.allowance, sets.first_minimum, sets.first_maximum) AS quantity,
    case_allowance(rules.allowance_rule, rules.lone_bounds, sets.allowance) AS allowance
FROM rules
INNER JOIN core_sets AS sets ON sets.set_no = rules.set_no AND sets.kind IN ('count', 'fee')
