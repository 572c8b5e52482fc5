-- One row per doubtful quantity and rule left out (the allowance, floor and cap), as a case to rate: what if it was not applied?
-- Between volume and graduated pricing the other one is a rule too: what if the line was billed by that?
WITH doubtful AS (
    SELECT DISTINCT set_no, actual
    FROM core_suspects
    WHERE verdict = 'differs' AND kind IN ('count', 'fee')
)
SELECT
    row_number() OVER (ORDER BY cases.set_no, cases.actual, left_out.rule) AS case_id,
    cases.set_no,
    cases.actual,
    cases.billed_in,
    left_out.rule AS left_out,
    cases.ladder_id,
    CASE
        WHEN left_out.rule IN ('volume', 'graduated')
            THEN concat_ws('.', left_out.rule, string_split(cases.reading_id, '.')[2:].array_to_string('.'))
        ELSE cases.reading_id
    END AS reading_id,
    CASE WHEN left_out.rule = 'bounds' THEN cases.actual ELSE cases.quantity END AS quantity,
    CASE WHEN left_out.rule = 'allowance' THEN 0 ELSE cases.allowance END::DECIMAL(28, 10) AS allowance
FROM core_rating_cases AS cases
INNER JOIN doubtful USING (set_no, actual)
INNER JOIN core_chosen_readings AS chosen USING (set_no, reading_no)
INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
CROSS JOIN (VALUES ('allowance'), ('bounds'), ('volume'), ('graduated')) AS left_out (rule)
WHERE (left_out.rule = 'allowance' AND cases.allowance > 0)
    OR (left_out.rule = 'bounds' AND cases.quantity <> cases.actual)
    OR (left_out.rule = 'volume' AND readings.model = 'graduated')
    OR (left_out.rule = 'graduated' AND readings.model = 'volume')
