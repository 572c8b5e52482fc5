-- One row per line with an amount that the invoice of its contract does not have.
-- title: Line is missing on the invoice
-- A line whose response names another key has the `cause` of that finding: the invoice may bill it under the key named.
-- billed_amount: always null: the invoice does not bill the line
-- expected_amount: amount of the line by InvoiceCalculateLineItem
-- difference: the amount, negative: the invoice is too low by it
WITH numbers AS (
    SELECT contract_id, reporting_month, min(invoice_number) AS invoice_number
    FROM core_invoice_lines
    GROUP BY ALL
)
SELECT
    matches.network_id,
    matches.mailbox_id,
    matches.reporting_month,
    matches.account_report,
    matches.measure_field,
    matches.price_list_id,
    numbers.invoice_number,
    matches.amount AS expected_amount,
    -matches.amount AS difference,
    concat(
        'Invoice ', coalesce(numbers.invoice_number, 'of contract ' || matches.contract_id), ' has no line for the ',
        money_text(matches.amount), ' that InvoiceCalculateLineItem returns: expect it on a later invoice.'
    ) AS explanation,
    misnamed.cause
FROM core_invoice_matches AS matches
LEFT JOIN core_identity_mismatches AS misnamed USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
INNER JOIN numbers USING (contract_id, reporting_month)
WHERE matches.status = 'not_on_invoice' AND matches.amount <> 0
