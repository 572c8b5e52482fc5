-- One row per derived charge and volume of the last pass (simulation_derived): those that it still moved are unsettled, and without amount.
-- kept as: scratch
SELECT
    derived.* EXCLUDE (is_marked) REPLACE (
        CASE WHEN NOT is_marked THEN derived.new_move END AS new_move,
        CASE WHEN NOT is_marked THEN derived.least_move END AS least_move,
        CASE WHEN NOT is_marked THEN derived.most_move END AS most_move,
        is_marked AS is_unsettled
    )
FROM (
    SELECT
        derived.*,
        -- one that just lost its amount has settled
        derived.is_unsettled OR (moving.network_id IS NOT NULL AND derived.new_move IS NOT NULL) AS is_marked
    FROM simulation_derived AS derived
    LEFT JOIN simulation_moving AS moving USING (network_id, mailbox_id, reporting_month, account_report, measure_field, volume)
) AS derived
