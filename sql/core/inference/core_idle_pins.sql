-- One row per unused override (row of reference_pinned_readings): its price list, report and measure have no billed line.
-- kept as: view
SELECT pins.price_list_id, pins.account_report, pins.measure_field, pins.words
FROM reference_pinned_readings AS pins
ANTI JOIN core_sets AS sets
    ON sets.price_list_id = try_cast(pins.price_list_id AS INTEGER)
    AND sets.account_report = coalesce(pins.account_report, sets.account_report)
    AND sets.measure_field = coalesce(pins.measure_field, sets.measure_field)
