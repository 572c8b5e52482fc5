-- One row per invoice in another currency than most invoices that state one.
-- title: Invoice is in another currency
-- Amounts of two currencies must not be added. `invoice import` refuses a currency that is not ECGRID_CURRENCY; this is for a directory
-- that was filled without it, or before it was changed.
-- billed_amount: total of the invoice, in its own currency
-- expected_amount: always null: the amount due in the other currency is not known
-- difference: always null
WITH counts AS (
    SELECT currency, count(*) AS invoices, min(invoice_date) AS first_date
    FROM core_issued_invoices
    WHERE currency IS NOT NULL
    GROUP BY currency
),
usual AS (
    SELECT currency
    FROM counts
    ORDER BY invoices DESC, first_date, currency
    LIMIT 1
)
SELECT
    invoices.reporting_month,
    invoices.invoice_number,
    invoices.total_amount AS billed_amount,
    concat(
        'Invoice ', invoices.invoice_number, ' of contract ', invoices.contract_id, ' asks ', money_text(invoices.total_amount), ' ',
        invoices.currency, ', other invoices are in ', usual.currency,
        ': their amounts do not add up. Import it into a data directory of that currency.'
    ) AS explanation
FROM core_issued_invoices AS invoices
INNER JOIN usual ON invoices.currency <> usual.currency
