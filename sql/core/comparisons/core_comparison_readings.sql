-- One row per rule that rates billed lines and pricing model that replaces its own.
SELECT DISTINCT
    concat_ws('.', models.model, array_to_string(string_split(rules.reading_id, '.')[2:], '.')) AS reading_id,
    models.model,
    rules.* EXCLUDE (reading_id, model)
FROM core_rounded_readings AS rules
CROSS JOIN (VALUES ('unit'), ('volume'), ('graduated')) AS models (model)
WHERE NOT is_fee_model(rules.model)
