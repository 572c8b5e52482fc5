-- One row per unused override (row of reference_pinned_readings): its price list, report and measure have no billed line.
-- kept as: view
SELECT overrides.price_list_id, overrides.account_report, overrides.measure_field, overrides.words
FROM reference_pinned_readings AS overrides
ANTI JOIN core_sets AS sets
    ON sets.price_list_id = try_cast(overrides.price_list_id AS INTEGER)
    AND sets.account_report = coalesce(overrides.account_report, sets.account_report)
    AND sets.measure_field = coalesce(overrides.measure_field, sets.measure_field)
