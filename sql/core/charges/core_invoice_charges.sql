-- One row per amount that an issued invoice asks beside the lines that FOCUS has under its number: of a key, of no key, or the rest.
-- kept as: view
-- With those lines the amounts of an invoice add up to its total. One whose total is not known has no row, nor has any of a limited run.
-- `kind` is the status of the tie-out line (core_invoice_shares), or `rest`: what no line of the invoice explains. Lines that name no
-- account bill a group of ours as a whole, so what they differ by is in the rest.
WITH invoices AS (
    SELECT issued.*
    FROM core_issued_invoices AS issued
    ANTI JOIN core_limited_runs AS limited ON limited.reporting_month = issued.reporting_month
    WHERE issued.total_amount IS NOT NULL
),
keyed AS (
    SELECT
        contract_id, reporting_month, source, invoice_id, network_id, mailbox_id, account_report, measure_field,
        status AS kind,
        line_kind,
        line_description,
        sum(invoice_amount - line_amount) AS amount
    FROM core_invoice_shares
    WHERE status NOT IN ('unassigned', 'in_group') AND invoice_amount IS NOT NULL
    GROUP BY ALL
),
keyed_sums AS (
    SELECT contract_id, reporting_month, source, invoice_id, sum(amount) AS amount
    FROM keyed
    GROUP BY ALL
),
-- lines of ours that stand under another invoice than the newest
line_sums AS (
    SELECT contract_id, reporting_month, source, invoice_id, sum(amount) AS amount
    FROM core_line_invoices
    GROUP BY ALL
),
moved AS (
    SELECT contract_id, reporting_month, sum(amount) AS amount
    FROM line_sums
    GROUP BY ALL
),
rests AS (
    SELECT
        invoices.contract_id,
        invoices.reporting_month,
        invoices.source,
        invoices.invoice_id,
        'rest' AS kind,
        invoices.total_amount
        - coalesce(keyed_sums.amount, 0)
        - CASE
            WHEN invoices.is_newest THEN coalesce(recalculated.amount, 0) - coalesce(moved.amount, 0)
            ELSE coalesce(line_sums.amount, 0)
        END AS amount
    FROM invoices
    LEFT JOIN keyed_sums USING (contract_id, reporting_month, source, invoice_id)
    LEFT JOIN line_sums USING (contract_id, reporting_month, source, invoice_id)
    LEFT JOIN moved USING (contract_id, reporting_month)
    LEFT JOIN core_recalculated_totals AS recalculated USING (contract_id, reporting_month)
),
charges AS (
    SELECT * FROM keyed
    UNION ALL BY NAME
    SELECT * FROM rests
)
SELECT
    charges.contract_id,
    charges.reporting_month,
    invoices.invoice_number,
    charges.network_id,
    charges.mailbox_id,
    charges.account_report,
    charges.measure_field,
    charges.kind,
    charges.line_kind,
    charges.line_description,
    charges.amount::DECIMAL(38, 10) AS amount
FROM charges
INNER JOIN invoices USING (contract_id, reporting_month, source, invoice_id)
WHERE charges.amount <> 0
