-- One row per finding with a decision: the last decision, and the amounts at that time.
-- Decisions are not in the lake: the SELECT has no row, and `finding_states` fills the table from the audit log after each build and
-- after each decision.
-- finding_id: finding of the decision
-- state: accepted, disputed or resolved
-- note: reason that the person gave
-- decided_on: day (UTC) of the decision; of one repeated about the same amounts, of the first
-- decided_billed_amount: amount billed at the time of the decision
-- decided_expected_amount: amount expected at the time of the decision
-- decided_difference: difference at the time of the decision
SELECT
    NULL::VARCHAR AS finding_id,
    NULL::VARCHAR AS state,
    NULL::VARCHAR AS note,
    NULL::DATE AS decided_on,
    NULL::DECIMAL(28, 10) AS decided_billed_amount,
    NULL::DECIMAL(28, 10) AS decided_expected_amount,
    NULL::DECIMAL(28, 10) AS decided_difference
WHERE false
