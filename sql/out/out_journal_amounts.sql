-- One row per invoice and amount that its journal entry books: cost and what is disputed by network, report, measure and tax flag.
-- kept as: view
-- The amounts of an invoice add up to 0: cost + disputed + unexplained = invoiced, as out_invoice_reconciliation has them. Cost is what
-- its lines add up to, with the differences that are explained, less what is disputed of them; what no line bills has no key.
-- Invoices whose total is not known have no row.
-- invoice_number: number of the invoice; null where it has none
-- role: charge (cost), disputed, unexplained or payable
-- network_id: NetworkID of the account; null where no line bills the amount
-- is_taxable: Taxable flag of the line; null where no line bills the amount
-- amount: what is to be booked, exact: a debit is above 0, a credit below
WITH keyed AS (
    SELECT
        amounts.contract_id,
        amounts.reporting_month,
        amounts.source,
        amounts.invoice_number,
        roles.role,
        amounts.network_id,
        amounts.account_report,
        amounts.measure_field,
        lines.is_taxable,
        sum(CASE roles.role WHEN 'charge' THEN amounts.cost_amount - amounts.disputed_amount ELSE amounts.disputed_amount END) AS amount
    FROM core_invoice_amounts AS amounts
    INNER JOIN (VALUES ('charge'), ('disputed')) AS roles (role) ON roles.role = 'charge' OR amounts.disputed_amount <> 0
    LEFT JOIN core_lines AS lines USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
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
    FROM core_known_invoices AS invoices
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
    SEMI JOIN core_known_invoices AS invoices
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
