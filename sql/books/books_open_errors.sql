-- One row per finding of severity error without a decision.
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
