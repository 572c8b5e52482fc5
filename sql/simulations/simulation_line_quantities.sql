-- One row per line in scope and volume: the quantity to rate.
-- kept as: scratch
-- `volume` is in percent of the quantity measured; fees keep theirs. A measure in whole units stays in whole units, half up. Null: too large.
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    volumes.volume,
    CASE
        WHEN lines.kind <> 'count' OR volumes.volume = 100 THEN lines.actual
        WHEN coalesce(fractions.has_fractions, false)
            THEN try(round(lines.actual * (volumes.volume * 0.01)::DECIMAL(18, 8), 10)::DECIMAL(28, 10))
        ELSE try(round(lines.actual * (volumes.volume * 0.01)::DECIMAL(18, 8), 0)::DECIMAL(28, 10))
    END AS quantity
FROM simulation_lines AS lines
LEFT JOIN core_fractions AS fractions ON fractions.measure_field = lines.measure_field
CROSS JOIN simulation_volumes AS volumes
WHERE lines.is_in_scope
