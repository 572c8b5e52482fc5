-- One row per finding, with what a person decided about it.
-- kept as: view
-- A decision holds while the amounts are those that it was made about; when one changes, the finding is open again.
-- network_id: NetworkID of the account; null where the finding concerns no single account
-- mailbox_id: MailboxID of the account; 0 is the network's Root mailbox; null where the finding concerns no single account
-- state: open, accepted, disputed or resolved
-- note: reason of the decision; null while open
SELECT findings.*, coalesce(decided.state, 'open') AS state, decided.note
FROM out_finding_ids AS findings
LEFT JOIN raw_finding_states AS decided
    ON decided.finding_id = findings.finding_id
    AND decided.decided_billed_amount IS NOT DISTINCT FROM findings.billed_amount
    AND decided.decided_expected_amount IS NOT DISTINCT FROM findings.expected_amount
    AND decided.decided_difference IS NOT DISTINCT FROM findings.difference
