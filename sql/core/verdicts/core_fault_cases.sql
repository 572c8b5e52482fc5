-- One row per doubtful quantity and number left out (allowance, block, bound): a case to rate without that number.
-- For volume and graduated pricing, the other of the two models is a case too; and so is, under the chosen interpretation, what
-- statistics give for a line that they contradict, or that was rounded up (left_out `usage`).
WITH doubtful AS (
    SELECT DISTINCT core_suspect_lines.set_no, core_suspect_lines.actual
    FROM core_suspect_lines
    LEFT JOIN core_unshown_allowances AS unshown USING (set_no)
    WHERE (verdict = 'differs' OR (verdict = 'undecided' AND unshown.set_no IS NOT NULL)) AND kind IN ('count', 'fee')
),
left_out AS (
    SELECT
        chosen.set_no,
        departures.departed AS rule,
        readings.billed_in,
        readings.ladder_id,
        readings.case_reading_id || '.' || roundings.rounding || roundings.scale AS reading_id,
        readings.lone_bounds,
        readings.allowance_rule,
        sets.allowance,
        sets.first_minimum,
        sets.first_maximum
    FROM core_chosen_readings AS chosen
    INNER JOIN core_reading_departures AS departures USING (set_no, reading_no)
    INNER JOIN core_set_readings AS readings
        ON readings.set_no = departures.set_no AND readings.reading_no = departures.departed_reading_no
    INNER JOIN core_sets AS sets ON sets.set_no = chosen.set_no
    INNER JOIN core_reading_roundings AS roundings USING (set_no, reading_no)
),
cases AS (
    SELECT
        doubtful.set_no,
        doubtful.actual,
        left_out.billed_in,
        left_out.rule AS left_out,
        left_out.ladder_id,
        left_out.reading_id,
        case_quantity(
            doubtful.actual, left_out.lone_bounds, left_out.allowance, left_out.first_minimum, left_out.first_maximum
        ) AS quantity,
        case_allowance(left_out.allowance_rule, left_out.lone_bounds, left_out.allowance) AS allowance
    FROM doubtful
    INNER JOIN left_out USING (set_no)
    UNION ALL
    SELECT
        doubtful.set_no,
        doubtful.actual,
        used.billed_in,
        other.model,
        used.ladder_id,
        concat_ws('.', other.model, array_to_string(string_split(used.reading_id, '.')[2:], '.')),
        case_quantity(doubtful.actual, used.lone_bounds, used.allowance, used.first_minimum, used.first_maximum),
        used.rated_allowance
    FROM doubtful
    INNER JOIN core_used_readings AS used ON used.set_no = doubtful.set_no AND used.role = 'chosen'
    INNER JOIN core_set_readings AS readings ON readings.set_no = used.set_no AND readings.reading_no = used.reading_no
    INNER JOIN (VALUES ('volume'), ('graduated')) AS other (model)
        ON other.model <> readings.model AND readings.model IN ('volume', 'graduated')
    UNION ALL
    SELECT
        usage.set_no,
        usage.quantity,
        used.billed_in,
        'usage',
        used.ladder_id,
        used.reading_id,
        case_quantity(usage.quantity, used.lone_bounds, used.allowance, used.first_minimum, used.first_maximum),
        used.rated_allowance
    FROM (
        SELECT DISTINCT lines.set_no, unnest([usage.stated_quantity, usage.exact_quantity]) AS quantity
        FROM out_usage_tieout AS usage
        INNER JOIN core_lines AS lines USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
        WHERE usage.source <> 'lines' AND (usage.is_tied IS DISTINCT FROM true OR usage.exact_quantity IS NOT NULL)
    ) AS usage
    INNER JOIN core_chosen_readings AS chosen ON chosen.set_no = usage.set_no AND chosen.verdict = 'decided'
    INNER JOIN core_used_readings AS used ON used.set_no = usage.set_no AND used.role = 'chosen'
    WHERE usage.quantity IS NOT NULL
)
SELECT row_number() OVER (ORDER BY set_no, actual, left_out, reading_id, quantity) AS case_id, *
FROM cases
