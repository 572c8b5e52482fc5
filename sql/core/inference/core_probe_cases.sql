-- One row per rate ladder, rule of a tied candidate and quantity at which tied candidates are compared: a case to rate.
-- kept as: scratch
WITH rules AS (
    SELECT DISTINCT
        set_no,
        rule_no,
        ladder_id,
        case_reading_id || '.' || rounding || scale AS reading_id,
        lone_bounds,
        allowance_rule
    FROM core_tied_readings
)
SELECT
    row_number() OVER () AS case_id,
    probes.set_no,
    rules.rule_no,
    probes.quantity AS actual,
    rules.ladder_id,
    rules.reading_id,
    case_quantity(probes.quantity, rules.lone_bounds, sets.allowance, sets.first_minimum, sets.first_maximum) AS quantity,
    case_allowance(rules.allowance_rule, rules.lone_bounds, sets.allowance) AS allowance
FROM core_probe_quantities AS probes
INNER JOIN rules USING (set_no)
INNER JOIN core_sets AS sets USING (set_no)
