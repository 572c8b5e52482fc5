-- One row per invoice and amount that its journal entry books: cost and what is disputed by network, report, measure and tax flag.
-- kept as: view
-- The amounts of an invoice add up to 0: cost + disputed + unexplained = invoiced, as out_invoice_reconciliation has them. Cost is what
-- its lines add up to, with the differences that are explained, less what is disputed of them; what no line bills has no key. An
-- invoice without lines of its own bills the lines of its contract. Invoices whose total is not known have no row.
-- invoice_number: number of the invoice; null where it has none
-- role: charge (cost), disputed, unexplained or payable
-- network_id: NetworkID of the account; null where no line bills the amount
-- is_taxable: Taxable flag of the line; null where no line bills the amount
-- amount: what is to be booked, exact: a debit is above 0, a credit below
WITH invoices AS (
    SELECT
        contract_id,
        reporting_month,
        invoice_source AS source,
        invoice_number,
        sum(invoiced_amount) AS invoiced_amount,
        sum(disputed_amount) AS disputed_amount,
        sum(coalesce(unexplained_difference, 0)) AS unexplained_difference
    FROM out_invoice_reconciliation
    WHERE invoice_source IS NOT NULL
    GROUP BY ALL
    HAVING count(*) = count(invoiced_amount)
),
billed AS (
    SELECT
        contract_id,
        reporting_month,
        source,
        invoice_id,
        network_id,
        mailbox_id,
        account_report,
        measure_field,
        recalculated_amount + CASE WHEN is_explained THEN difference ELSE 0 END AS amount
    FROM core_invoice_shares
    UNION ALL
    SELECT
        lines.contract_id,
        lines.reporting_month,
        issued.source,
        issued.invoice_id,
        lines.network_id,
        lines.mailbox_id,
        lines.account_report,
        lines.measure_field,
        lines.amount
    FROM out_line_items AS lines
    INNER JOIN core_issued_invoices AS issued
        ON issued.contract_id = lines.contract_id AND issued.reporting_month = lines.reporting_month AND issued.is_newest
    ANTI JOIN core_invoice_shares AS shares
        ON shares.contract_id = lines.contract_id AND shares.reporting_month = lines.reporting_month
),
amounts AS (
    SELECT 'charge' AS role, * FROM billed
    UNION ALL
    SELECT
        roles.role,
        findings.contract_id,
        findings.reporting_month,
        findings.invoice_source,
        findings.invoice_id,
        findings.network_id,
        findings.mailbox_id,
        findings.account_report,
        findings.measure_field,
        findings.disputed_amount * roles.factor
    FROM out_finding_amounts AS findings
    CROSS JOIN (VALUES ('charge', -1), ('disputed', 1)) AS roles (role, factor)
    WHERE findings.disputed_amount <> 0
),
keyed AS (
    SELECT
        amounts.contract_id,
        amounts.reporting_month,
        amounts.source,
        issued.invoice_number,
        amounts.role,
        amounts.network_id,
        amounts.account_report,
        amounts.measure_field,
        lines.is_taxable,
        sum(amounts.amount) AS amount
    FROM amounts
    INNER JOIN core_issued_invoices AS issued
        ON issued.contract_id = amounts.contract_id
        AND issued.reporting_month = amounts.reporting_month
        AND issued.source = amounts.source
        AND issued.invoice_id = amounts.invoice_id
    LEFT JOIN out_line_items AS lines
        ON lines.network_id = amounts.network_id
        AND lines.mailbox_id = amounts.mailbox_id
        AND lines.reporting_month = amounts.reporting_month
        AND lines.account_report = amounts.account_report
        AND lines.measure_field = amounts.measure_field
    GROUP BY ALL
),
-- as the reconciliation has it, less what lines bill
wanted AS (
    SELECT
        invoices.contract_id,
        invoices.reporting_month,
        invoices.source,
        invoices.invoice_number,
        roles.role,
        CASE roles.role
            WHEN 'payable' THEN -invoices.invoiced_amount
            WHEN 'unexplained' THEN invoices.unexplained_difference
            WHEN 'disputed' THEN invoices.disputed_amount
            ELSE invoices.invoiced_amount - invoices.unexplained_difference - invoices.disputed_amount
        END AS amount
    FROM invoices
    CROSS JOIN (VALUES ('charge'), ('disputed'), ('unexplained'), ('payable')) AS roles (role)
),
sums AS (
    SELECT contract_id, reporting_month, source, invoice_number, role, sum(amount) AS amount
    FROM keyed
    GROUP BY ALL
),
booked AS (
    SELECT
        wanted.contract_id,
        wanted.reporting_month,
        wanted.invoice_number,
        wanted.role,
        NULL::INTEGER AS network_id,
        NULL::VARCHAR AS account_report,
        NULL::VARCHAR AS measure_field,
        NULL::BOOLEAN AS is_taxable,
        wanted.amount - coalesce(sums.amount, 0) AS amount
    FROM wanted
    LEFT JOIN sums
        ON sums.contract_id = wanted.contract_id
        AND sums.reporting_month = wanted.reporting_month
        AND sums.source = wanted.source
        AND sums.invoice_number IS NOT DISTINCT FROM wanted.invoice_number
        AND sums.role = wanted.role
    UNION ALL
    SELECT
        keyed.contract_id,
        keyed.reporting_month,
        keyed.invoice_number,
        keyed.role,
        keyed.network_id,
        keyed.account_report,
        keyed.measure_field,
        keyed.is_taxable,
        keyed.amount
    FROM keyed
    SEMI JOIN invoices
        ON invoices.contract_id = keyed.contract_id
        AND invoices.reporting_month = keyed.reporting_month
        AND invoices.source = keyed.source
        AND invoices.invoice_number IS NOT DISTINCT FROM keyed.invoice_number
)
SELECT
    contract_id,
    reporting_month,
    invoice_number,
    role,
    network_id,
    account_report,
    measure_field,
    is_taxable,
    sum(amount)::DECIMAL(38, 10) AS amount
FROM booked
GROUP BY ALL
HAVING sum(amount) <> 0
