-- One row per doubtful quantity and rule left out (the allowance, floor and cap), as a case to rate: what if it was not applied?
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
    cases.reading_id,
    CASE WHEN left_out.rule = 'bounds' THEN cases.actual ELSE cases.quantity END AS quantity,
    CASE WHEN left_out.rule = 'allowance' THEN 0 ELSE cases.allowance END::DECIMAL(28, 10) AS allowance
FROM core_rating_cases AS cases
INNER JOIN doubtful USING (set_no, actual)
INNER JOIN core_chosen_readings AS chosen USING (set_no, reading_no)
CROSS JOIN (VALUES ('allowance'), ('bounds')) AS left_out (rule)
WHERE (left_out.rule = 'allowance' AND cases.allowance > 0)
    OR (left_out.rule = 'bounds' AND cases.quantity <> cases.actual)
