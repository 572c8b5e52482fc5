-- One row per invoice that counts: its total, the sum of its own lines, and the sum of the lines asked for one by one.
-- `total_difference` is total less own lines; `lines_difference` own lines less ours, over all invoices of the contract and
-- month together, for a key may be on either; `cause` names the lines behind the latter.
WITH matched AS (
    SELECT
        contract_id,
        reporting_month,
        sum(amount) AS billed_amount,
        count(*) FILTER (WHERE status = 'not_on_invoice') AS lines_not_on_invoice,
        count(*) FILTER (WHERE status = 'not_asked') AS lines_not_answered,
        count(*) FILTER (WHERE status = 'differs') AS lines_that_differ,
        count(*) FILTER (WHERE status = 'copy') AS copies,
        count(*) FILTER (WHERE status = 'other_contract') AS lines_of_other_contracts
    FROM core_invoice_matches
    GROUP BY contract_id, reporting_month
),
sums AS (
    SELECT source, invoice_id, reporting_month, contract_id, count(*) AS lines, sum(amount) AS lines_amount
    FROM core_invoice_lines
    GROUP BY ALL
),
contract_sums AS (
    SELECT contract_id, reporting_month, sum(lines_amount) AS lines_amount
    FROM sums
    GROUP BY contract_id, reporting_month
)
SELECT
    invoices.reporting_month,
    invoices.contract_id,
    invoices.invoice_id,
    invoices.invoice_number,
    invoices.source,
    invoices.status,
    coalesce(sums.lines, 0) AS lines,
    invoices.total_amount,
    coalesce(sums.lines_amount, 0)::DECIMAL(38, 10) AS lines_amount,
    matched.billed_amount,
    invoices.total_amount - coalesce(sums.lines_amount, 0) AS total_difference,
    (coalesce(contract_sums.lines_amount, 0) - coalesce(matched.billed_amount, 0))::DECIMAL(38, 10) AS lines_difference,
    concat_ws(
        ', ',
        CASE WHEN matched.copies > 0 THEN matched.copies || ' billed twice' END,
        CASE WHEN matched.lines_of_other_contracts > 0 THEN matched.lines_of_other_contracts || ' of another contract' END,
        CASE WHEN matched.lines_that_differ > 0 THEN matched.lines_that_differ || ' with another amount' END,
        CASE WHEN matched.lines_not_answered > 0 THEN matched.lines_not_answered || ' without an answer of their own' END,
        CASE WHEN matched.lines_not_on_invoice > 0 THEN matched.lines_not_on_invoice || ' not on the invoice' END
    ) AS cause,
    invoices.total_amount = coalesce(sums.lines_amount, 0)
    AND coalesce(contract_sums.lines_amount, 0) = coalesce(matched.billed_amount, 0) AS is_tied
FROM raw_invoices AS invoices
LEFT JOIN sums
    ON sums.invoice_id = invoices.invoice_id
    AND sums.reporting_month = invoices.reporting_month
    AND sums.source = invoices.source
    AND sums.contract_id = invoices.contract_id
LEFT JOIN contract_sums
    ON contract_sums.contract_id = invoices.contract_id AND contract_sums.reporting_month = invoices.reporting_month
LEFT JOIN matched
    ON matched.contract_id = invoices.contract_id AND matched.reporting_month = invoices.reporting_month
-- an invoice that was issued counts without a line too: nothing then shows what its total is made of
WHERE sums.lines IS NOT NULL OR (invoices.source = 'InvoiceInfo' AND coalesce(invoices.status, '') <> 'Canceled')
