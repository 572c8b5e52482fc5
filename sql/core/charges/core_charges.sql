-- One row per charge: its numbers (core_charge_parts), with texts of its price and its measure.
-- kept as: view
SELECT
    parts.* EXCLUDE (level, schedule_id),
    CASE charge WHEN 'line' THEN parts.level WHEN 'difference' THEN NULL ELSE slice_level END AS level,
    CASE charge WHEN 'line' THEN parts.schedule_id WHEN 'difference' THEN NULL ELSE slice_schedule_id END AS schedule_id,
    CASE
        WHEN charge = 'slice' AND pricing_block IS NULL THEN coalesce(measures.unit, 'unit')
        WHEN charge = 'slice' THEN plain_text(pricing_block) || ' ' || coalesce(measures.unit, 'unit')
        WHEN charge = 'flat fee' THEN 'flat fee'
        WHEN shows_factors THEN coalesce(measures.unit, 'unit')
        WHEN category IN ('Usage', 'Purchase') THEN 'line'
    END AS pricing_unit,
    CASE charge
        WHEN 'line' THEN concat_ws(' ', parts.measure_field, parts.level)
        WHEN 'slice' THEN concat_ws(' ', parts.measure_field, slice_level)
        WHEN 'flat fee' THEN concat_ws(' ', parts.measure_field, slice_level, 'flat fee')
        ELSE concat_ws(' ', parts.measure_field, 'billed', CASE WHEN is_above_proof THEN 'above' ELSE 'below' END, 'its proof')
    END AS description,
    parts.level AS line_level,
    coalesce(measures.unit, 'unit') AS unit
FROM core_charge_parts AS parts
LEFT JOIN reference_measures AS measures ON measures.measure_field = parts.measure_field
