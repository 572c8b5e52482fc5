-- One row per quantity of a schedule set and pricing model: what if its tiers were priced so, all else of its reading as chosen?
-- kept as: view
-- Sets whose Rate is the fee of a step have no unit price to compare, and sets that no reading explains nothing to compare with.
SELECT
    cases.case_id * 4 + models.place AS case_id,
    cases.case_id AS line_case_id,
    models.model,
    cases.ladder_id,
    concat_ws('.', models.model, string_split(cases.reading_id, '.')[2:].array_to_string('.')) AS reading_id,
    cases.quantity,
    cases.allowance
FROM core_rating_cases AS cases
INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
CROSS JOIN (VALUES (0, 'unit'), (1, 'volume'), (2, 'graduated')) AS models (place, model)
WHERE cases.is_chosen AND readings.model IN ('unit', 'volume', 'graduated')
