-- One row per derived charge that the last pass moved to another amount than the pass before.
-- kept as: scratch
SELECT derived.network_id, derived.mailbox_id, derived.reporting_month, derived.account_report, derived.measure_field, derived.volume
FROM simulation_derived AS derived
INNER JOIN simulation_passed AS passed USING (network_id, mailbox_id, reporting_month, account_report, measure_field, volume)
WHERE (derived.new_move, derived.least_move, derived.most_move) IS DISTINCT FROM (passed.new_move, passed.least_move, passed.most_move)
