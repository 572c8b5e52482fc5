-- One row per derived charge and volume before the first pass (simulation_derived): nothing has moved.
-- kept as: scratch
SELECT DISTINCT
    bases.network_id,
    bases.mailbox_id,
    bases.reporting_month,
    bases.account_report,
    bases.measure_field,
    bases.line_item_number,
    bases.contract_id,
    bases.part,
    volumes.volume,
    0::DECIMAL(28, 10) AS new_move,
    0::DECIMAL(28, 10) AS least_move,
    0::DECIMAL(28, 10) AS most_move,
    false AS is_unsettled
FROM simulation_bases AS bases
CROSS JOIN simulation_volumes AS volumes
