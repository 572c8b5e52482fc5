-- One row per finding of severity error that nobody has decided about.
-- kept as: scratch view
SELECT
    place,
    finding_id,
    reporting_month,
    check_name,
    network_id,
    mailbox_id,
    difference
FROM out_finding_states
WHERE severity = 'error' AND state = 'open'
