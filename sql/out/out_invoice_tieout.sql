-- One row per invoice that counts: its total, the sum of its own lines, and the sum of the lines asked for one by one.
-- `lines_difference` is over all invoices of the contract and month together, for a key may be on either.
-- Where no invoice of the contract and month has lines, the totals are held against the lines asked for one by one:
-- `lines_amount` of the newest is their sum less the other totals, and nothing is judged while a key of the contract is a fault.
-- A credit note without lines is no part of these sums: its `lines_amount` is 0.
-- Where an amount could not be read, or a limited run asked only some of the accounts, a sum is null and nothing is judged.
-- contract_id: ContractID that the invoice bills
-- source: imported, or the operation that gave the invoice: InvoiceInfo, InvoiceList or InvoiceCalculate
-- status: InvoiceStatus as sent
-- lines: number of lines that the invoice states
-- lines_amount: sum of the invoice's own lines; without lines, of those requested one by one; null where not known
-- billed_amount: sum of the lines of the contract and month that were requested one by one
-- total_difference: total_amount less lines_amount
-- lines_difference: sum of the lines of all invoices of the contract and month, less billed_amount; null where not known
-- cause: which lines make up lines_difference, or why nothing is judged
-- is_tied: true where both differences are 0; null where nothing is judged
WITH matched AS (
    SELECT
        contract_id,
        reporting_month,
        sum(amount) AS billed_amount,
        count(*) FILTER (WHERE status = 'not_on_invoice') AS lines_not_on_invoice,
        count(*) FILTER (WHERE status = 'not_asked') AS lines_not_answered,
        count(*) FILTER (WHERE status = 'invoice_only') AS lines_on_invoice_only,
        count(*) FILTER (WHERE status = 'differs') AS lines_that_differ,
        count(*) FILTER (WHERE status = 'copy') AS copies,
        count(*) FILTER (WHERE status = 'other_contract') AS lines_of_other_contracts,
        count(*) FILTER (WHERE status = 'unread') AS lines_unread,
        count(*) FILTER (WHERE status = 'unassigned') AS lines_unassigned
    FROM core_invoice_matches
    GROUP BY contract_id, reporting_month
),
sums AS (
    SELECT
        source,
        invoice_id,
        reporting_month,
        contract_id,
        count(*) AS lines,
        sum(amount) AS lines_amount,
        count(*) - count(amount) AS lines_unread
    FROM core_invoice_lines
    GROUP BY ALL
),
contract_sums AS (
    SELECT contract_id, reporting_month, sum(lines_amount) AS lines_amount, sum(lines_unread) AS lines_unread
    FROM sums
    GROUP BY contract_id, reporting_month
),
tied AS (
    SELECT
        invoices.reporting_month,
        invoices.contract_id,
        invoices.invoice_id,
        invoices.invoice_number,
        invoices.source,
        invoices.status,
        coalesce(sums.lines, 0) AS lines,
        invoices.total_amount,
        CASE
            WHEN limited.reporting_month IS NOT NULL OR coalesce(sums.lines_unread, 0) > 0 THEN NULL
            WHEN contract_sums.contract_id IS NOT NULL OR invoices.total_amount < 0 THEN coalesce(sums.lines_amount, 0)
            WHEN recalculated.keys_faulted > 0 THEN NULL
            WHEN invoices.invoice_id < max(invoices.invoice_id) FILTER (NOT coalesce(invoices.total_amount < 0, false)) OVER of_contract
                THEN invoices.total_amount
            WHEN count(*) OVER of_contract > count(invoices.total_amount) OVER of_contract THEN NULL
            ELSE coalesce(recalculated.amount, 0)
                - (sum(invoices.total_amount) FILTER (invoices.total_amount >= 0) OVER of_contract - invoices.total_amount)
        END AS lines_amount,
        CASE WHEN contract_sums.contract_id IS NULL THEN recalculated.amount ELSE matched.billed_amount END AS billed_amount,
        CASE
            WHEN limited.reporting_month IS NULL AND coalesce(contract_sums.lines_unread, 0) = 0 AND coalesce(matched.lines_unread, 0) = 0
                THEN coalesce(contract_sums.lines_amount - coalesce(matched.billed_amount, 0), 0)
        END AS lines_difference,
        concat_ws(
            ', ',
            CASE WHEN limited.reporting_month IS NOT NULL THEN 'not judged: the run was limited to some accounts' END,
            CASE
                WHEN coalesce(contract_sums.lines_unread, 0) > 0 OR coalesce(matched.lines_unread, 0) > 0 OR invoices.total_amount IS NULL
                    THEN 'not judged: a value of the invoice cannot be read'
            END,
            CASE
                WHEN contract_sums.contract_id IS NULL AND recalculated.keys_faulted > 0
                    THEN 'not judged: the invoice has no lines, and ' || recalculated.keys_faulted || ' answers of the contract are faults'
            END,
            CASE WHEN matched.copies > 0 THEN matched.copies || ' billed twice' END,
            CASE WHEN matched.lines_of_other_contracts > 0 THEN matched.lines_of_other_contracts || ' of another contract' END,
            CASE WHEN matched.lines_that_differ > 0 THEN matched.lines_that_differ || ' with another amount' END,
            CASE WHEN matched.lines_not_answered > 0 THEN matched.lines_not_answered || ' without an answer of their own' END,
            CASE WHEN matched.lines_unassigned > 0 THEN matched.lines_unassigned || ' without an account or measure' END,
            CASE WHEN matched.lines_on_invoice_only > 0 THEN matched.lines_on_invoice_only || ' without a price list' END,
            CASE WHEN matched.lines_not_on_invoice > 0 THEN matched.lines_not_on_invoice || ' not on the invoice' END
        ) AS cause
    FROM raw_invoices AS invoices
    LEFT JOIN sums USING (invoice_id, reporting_month, source, contract_id)
    LEFT JOIN contract_sums USING (contract_id, reporting_month)
    LEFT JOIN matched USING (contract_id, reporting_month)
    LEFT JOIN core_recalculated_totals AS recalculated USING (contract_id, reporting_month)
    LEFT JOIN core_issued_invoices AS issued USING (source, invoice_id, reporting_month, contract_id)
    LEFT JOIN core_limited_runs AS limited ON limited.reporting_month = invoices.reporting_month
    -- an invoice that was issued counts without a line too: nothing then shows what its total is made of. In a limited month one
    -- without a line bills nobody that was asked.
    WHERE
        sums.lines IS NOT NULL
        OR (invoices.source IN ('imported', 'InvoiceInfo') AND issued.source IS NOT NULL AND limited.reporting_month IS NULL)
    WINDOW of_contract AS (PARTITION BY invoices.contract_id, invoices.reporting_month)
)
SELECT
    reporting_month,
    contract_id,
    invoice_id,
    invoice_number,
    source,
    status,
    lines,
    total_amount,
    lines_amount::DECIMAL(38, 10) AS lines_amount,
    billed_amount,
    total_amount - lines_amount AS total_difference,
    lines_difference::DECIMAL(38, 10) AS lines_difference,
    cause,
    total_amount - lines_amount = 0 AND lines_difference = 0 AS is_tied
FROM tied
