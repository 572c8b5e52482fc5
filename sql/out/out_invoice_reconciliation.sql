-- One row per invoice, or per contract and month without one: what it asks, what its lines explain, and what is to be paid.
-- kept as: view
-- invoiced_amount = recalculated_amount + explained_difference + unexplained_difference, and cost = invoiced_amount less disputed_amount
-- less unexplained_difference. A difference is explained by an invoice-only charge or by a finding that names its line; that a
-- total is not the sum of its lines explains nothing until a person decided about it. Where the invoice's total cannot be read, or the
-- run was limited to some accounts, nothing is judged: the amounts that depend on the total are null.
-- Findings of no contract stand on a row of their own, without a contract.
-- contract_id: ContractID that the invoice bills; null: accounts or findings of which no contract is known
-- invoice_source: strongest source that has the invoice: imported, InvoiceInfo or InvoiceList; null: no invoice is known
-- invoice_date: date of the invoice
-- due_date: date by which the invoice asks to be paid
-- payment_terms: terms of payment as the invoice states them
-- po_number: your purchase order, as the invoice states it
-- currency: currency that the invoice states, ISO 4217; null: the API states none
-- invoiced_amount: total that the invoice asks; a credit note is negative; null without an invoice, or where nothing is judged
-- expected_invoice_amount: total by InvoiceCalculate, else of Pending invoices, for all invoices of the contract and month, on the newest
-- recalculated_amount: sum of the lines of InvoiceCalculateLineItem that the invoice bills
-- explained_difference: part of invoiced less recalculated that an invoice-only charge or a finding of a line names
-- unexplained_difference: part of invoiced less recalculated that nothing names
-- claimable_amount: positive differences of open error findings
-- disputed_amount: what a person disputed, or an undecided identity_mismatch holds back; undercharges never net against it
-- accepted_amount: what a person accepted although it was billed too much; part of cost
-- to_pay_amount: invoiced_amount less disputed_amount
WITH decided AS (
    SELECT
        contract_id,
        reporting_month,
        invoice_source,
        invoice_id,
        sum(claimable_amount) AS claimable_amount,
        sum(disputed_amount) AS disputed_amount,
        sum(accepted_amount) AS accepted_amount,
        bool_or(check_name = 'invoice_total_mismatch' AND state <> 'open') AS is_total_decided
    FROM out_finding_amounts
    GROUP BY ALL
),
trials AS (
    SELECT
        contract_id,
        reporting_month,
        -- never a sum of what could be read alone
        CASE WHEN count(*) = count(total_amount) THEN sum(total_amount) END AS total_amount
    FROM (
        SELECT *
        FROM raw_invoices
        WHERE source = 'InvoiceCalculate' OR status = 'Pending'
        QUALIFY dense_rank() OVER (
            PARTITION BY contract_id, reporting_month
            ORDER BY CASE WHEN source = 'InvoiceCalculate' THEN 0 ELSE 1 END
        ) = 1
    )
    GROUP BY contract_id, reporting_month
),
without AS (
    SELECT contract_id, reporting_month FROM core_recalculated_totals
    UNION
    SELECT contract_id, reporting_month FROM trials
    UNION
    SELECT contract_id, reporting_month
    FROM decided
    WHERE claimable_amount <> 0 OR disputed_amount <> 0 OR accepted_amount <> 0
),
billed AS (
    SELECT
        issued.contract_id,
        issued.reporting_month,
        issued.invoice_number,
        issued.invoice_id,
        issued.source AS invoice_source,
        issued.invoice_date::DATE AS invoice_date,
        issued.date_due::DATE AS due_date,
        issued.terms AS payment_terms,
        issued.po_number,
        issued.currency,
        CASE WHEN limited.reporting_month IS NULL THEN issued.total_amount END AS invoiced_amount,
        issued.is_newest,
        sums.recalculated_amount,
        sums.lines_difference,
        sums.total_difference,
        sums.is_total_named
    FROM core_issued_invoices AS issued
    INNER JOIN core_invoice_sums AS sums USING (contract_id, reporting_month, source, invoice_id)
    LEFT JOIN core_limited_runs AS limited ON limited.reporting_month = issued.reporting_month
    UNION ALL BY NAME
    SELECT
        without.contract_id,
        without.reporting_month,
        true AS is_newest,
        recalculated.amount AS recalculated_amount
    FROM without
    ANTI JOIN core_issued_invoices USING (contract_id, reporting_month)
    LEFT JOIN core_recalculated_totals AS recalculated
        ON recalculated.contract_id IS NOT DISTINCT FROM without.contract_id AND recalculated.reporting_month = without.reporting_month
),
explained AS (
    SELECT
        billed.*,
        CASE
            WHEN billed.invoiced_amount IS NOT NULL
                THEN billed.lines_difference
                    + CASE
                        WHEN billed.is_total_named AND NOT coalesce(decided.is_total_decided, false) THEN 0
                        ELSE coalesce(billed.total_difference, 0)
                    END
        END AS explained_difference,
        coalesce(decided.claimable_amount, 0) AS claimable_amount,
        coalesce(decided.disputed_amount, 0) AS disputed_amount,
        coalesce(decided.accepted_amount, 0) AS accepted_amount,
        CASE WHEN billed.is_newest THEN trials.total_amount END AS expected_invoice_amount
    FROM billed
    LEFT JOIN decided
        ON decided.contract_id IS NOT DISTINCT FROM billed.contract_id
        AND decided.reporting_month = billed.reporting_month
        AND decided.invoice_source IS NOT DISTINCT FROM billed.invoice_source
        AND decided.invoice_id IS NOT DISTINCT FROM billed.invoice_id
    LEFT JOIN trials ON trials.contract_id = billed.contract_id AND trials.reporting_month = billed.reporting_month
)
SELECT
    contract_id,
    reporting_month,
    invoice_number,
    invoice_source,
    invoice_date,
    due_date,
    payment_terms,
    po_number,
    currency,
    invoiced_amount::DECIMAL(38, 10) AS invoiced_amount,
    expected_invoice_amount::DECIMAL(38, 10) AS expected_invoice_amount,
    recalculated_amount::DECIMAL(38, 10) AS recalculated_amount,
    explained_difference::DECIMAL(38, 10) AS explained_difference,
    (invoiced_amount - recalculated_amount - explained_difference)::DECIMAL(38, 10) AS unexplained_difference,
    claimable_amount::DECIMAL(38, 10) AS claimable_amount,
    disputed_amount::DECIMAL(38, 10) AS disputed_amount,
    accepted_amount::DECIMAL(38, 10) AS accepted_amount,
    (invoiced_amount - disputed_amount)::DECIMAL(38, 10) AS to_pay_amount
FROM explained
