-- One row per finding: its invoice, what was decided about it, and how much of it is claimable, disputed or accepted.
-- kept as: view
-- An amount is what was billed too much: the difference above 0, or, where nothing is expected of a charge that is in doubt as a whole
-- (`missing_line`, `identity_mismatch`, `invoice_only_charge`, `invoice_duplicate`), the amount billed. What was billed too little is 0
-- in all three. An open `identity_mismatch` is held back, as if disputed; other findings of the line then hold back nothing more.
-- contract_id: ContractID that the invoice bills, else that the account had in the month; null: none is known
-- invoice_source: strongest source of the invoice: imported, InvoiceInfo or InvoiceList; null: no invoice is known
-- state: open, accepted, disputed or resolved
-- claimable_amount: difference of an open error, where it is above 0; else 0
-- disputed_amount: what is held back of the payment; else 0
-- accepted_amount: what was accepted although billed too much; else 0
-- too_much_amount: difference of an open error or warning, where it is above 0; else 0
-- too_little_amount: difference of an open error or warning, where it is below 0, without its sign; else 0
-- unclear_amount: amount billed, where nothing is expected of a charge that an open error or warning doubts as a whole; else 0
WITH held AS (
    SELECT network_id, mailbox_id, reporting_month, account_report, measure_field
    FROM out_finding_states
    WHERE check_name = 'identity_mismatch' AND state IN ('open', 'disputed')
),
open AS (
    SELECT finding_id FROM out_finding_states WHERE state = 'open' AND severity IN ('error', 'warning')
)
SELECT
    states.finding_id,
    states.check_name,
    states.severity,
    states.state,
    states.network_id,
    states.mailbox_id,
    states.reporting_month,
    states.account_report,
    states.measure_field,
    invoices.contract_id,
    invoices.invoice_source,
    invoices.invoice_id,
    (
        CASE WHEN states.state = 'open' AND states.severity = 'error' AND states.difference > 0 THEN states.difference ELSE 0 END
    )::DECIMAL(28, 10) AS claimable_amount,
    (
        CASE
            WHEN states.check_name = 'identity_mismatch' AND states.state IN ('open', 'disputed')
                THEN overcharge(states.check_name, states.billed_amount, states.difference)
            WHEN states.state = 'disputed' AND held.network_id IS NULL
                THEN overcharge(states.check_name, states.billed_amount, states.difference)
            ELSE 0
        END
    )::DECIMAL(28, 10) AS disputed_amount,
    (
        CASE
            WHEN states.state = 'accepted' AND held.network_id IS NULL
                THEN overcharge(states.check_name, states.billed_amount, states.difference)
            ELSE 0
        END
    )::DECIMAL(28, 10) AS accepted_amount,
    (CASE WHEN open.finding_id IS NOT NULL THEN greatest(coalesce(states.difference, 0), 0) ELSE 0 END)::DECIMAL(28, 10) AS too_much_amount,
    (CASE WHEN open.finding_id IS NOT NULL THEN greatest(-coalesce(states.difference, 0), 0) ELSE 0 END)::DECIMAL(28, 10) AS too_little_amount,
    (
        CASE
            WHEN open.finding_id IS NOT NULL AND states.difference IS NULL
                THEN overcharge(states.check_name, states.billed_amount, states.difference)
            ELSE 0
        END
    )::DECIMAL(28, 10) AS unclear_amount
FROM out_finding_states AS states
INNER JOIN out_finding_invoices AS invoices USING (finding_id)
LEFT JOIN open ON open.finding_id = states.finding_id
LEFT JOIN held
    ON held.network_id = states.network_id
    AND held.mailbox_id = states.mailbox_id
    AND held.reporting_month = states.reporting_month
    AND held.account_report = states.account_report
    AND held.measure_field = states.measure_field
