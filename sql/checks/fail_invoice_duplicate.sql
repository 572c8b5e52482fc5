-- One row per invoice with the number of an earlier invoice, of the same or another contract or month, and per imported invoice
-- that counts in place of one of the API's under another number.
-- title: Invoice came twice
-- Numbers are compared as in core_issued_invoices. A file and the API's invoice of the same number are one invoice, unless the API has it
-- for another contract. Which of the two is meant cannot be known from them, so nothing is expected.
-- Whether two numbers of one contract, month and total are one invoice cannot be known either: a warning asks.
-- billed_amount: total of the invoice; null where it counts once
-- expected_amount: always null: only the vendor can state which invoice is valid
-- difference: always null
WITH numbered AS (
    SELECT
        *,
        nullif(ltrim(upper(regexp_replace(invoice_number, '[^A-Za-z0-9]', '', 'g')), '0'), '') AS number_key,
        CASE source WHEN 'imported' THEN 1 WHEN 'InvoiceInfo' THEN 2 ELSE 3 END AS source_rank
    FROM raw_invoices
    WHERE source <> 'InvoiceCalculate' AND coalesce(status, '') NOT IN ('Canceled', 'Pending')
),
of_contract AS (
    SELECT *
    FROM numbered
    WHERE number_key IS NOT NULL
    QUALIFY source_rank = min(source_rank) OVER (PARTITION BY number_key, contract_id)
),
placed AS (
    SELECT
        *,
        row_number() OVER of_number AS place,
        first_value(contract_id) OVER of_number AS first_contract_id,
        first_value(reporting_month) OVER of_number AS first_month,
        first_value(total_amount) OVER of_number AS first_amount
    FROM of_contract
    WINDOW of_number AS (PARTITION BY number_key ORDER BY invoice_date NULLS FIRST, reporting_month, contract_id, source, invoice_id)
)
SELECT
    invoices.reporting_month,
    invoices.invoice_number,
    invoices.total_amount AS billed_amount,
    concat(
        'Invoice ', invoices.invoice_number, ' of contract ', invoices.contract_id, ' over ',
        coalesce(money_text(invoices.total_amount), 'an amount that cannot be read'),
        ' has the number of the invoice of contract ', invoices.first_contract_id, ' for ', strftime(invoices.first_month, '%Y-%m'), ' over ',
        coalesce(money_text(invoices.first_amount), 'an amount that cannot be read'),
        ': ask the vendor which one is valid before paying both.'
    ) AS explanation,
    false AS is_doubtful
FROM placed AS invoices
WHERE invoices.place > 1
UNION ALL
SELECT
    reporting_month,
    invoice_number,
    NULL,
    concat(
        'Imported invoice ', invoice_number, ' of contract ', contract_id, ' over ', money_text(total_amount),
        ' and the invoice ', api_number, ' of the API have one total: they count as one invoice. If they are one, import it under the number ',
        api_number, ' after `invoice withdraw ', invoice_number, '`; if they are two, import ', api_number, ' as a file too.'
    ),
    true
FROM core_issued_invoices
WHERE api_number IS NOT NULL
