-- One row per quantity of a rate ladder with several tiers and pricing model other than its interpretation's: a case to rate by that model.
-- kept as: view
-- All else is as in the reading chosen. One tier alone is priced alike by all models. Sets whose Rate is the fee of a step have no unit
-- price to compare, and sets that no reading explains nothing to compare with.
WITH others AS (
    SELECT
        readings.set_no,
        models.model,
        concat_ws(
            '.', models.model, array_to_string(string_split(readings.case_reading_id, '.')[2:], '.'), roundings.rounding || roundings.scale
        ) AS reading_id
    FROM core_chosen_readings
    INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
    INNER JOIN core_sets AS sets ON sets.set_no = readings.set_no AND sets.tiers > 1
    INNER JOIN core_price_list_roundings AS roundings USING (price_list_id)
    INNER JOIN (VALUES ('unit'), ('volume'), ('graduated')) AS models (model) ON models.model <> readings.model
    WHERE NOT is_fee_model(readings.model)
)
SELECT
    struct_pack(set_no := others.set_no, actual := cases.case_id.actual, model := others.model) AS case_id,
    cases.ladder_id,
    others.reading_id,
    cases.quantity,
    cases.allowance
FROM core_rating_cases AS cases
INNER JOIN others ON others.set_no = cases.case_id.set_no
