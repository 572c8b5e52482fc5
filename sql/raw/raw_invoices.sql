-- One row per invoice and operation that gave it (InvoiceInfo, or InvoiceCalculate for one not yet sent).
SELECT
    reporting_month,
    source,
    invoice_id,
    invoice_number,
    invoice_date,
    contract_id,
    total_amount,
    po_number,
    status,
    status_date,
    date_due,
    price_list_description,
    terms,
    bill_to,
    extra,
    api_version,
    pulled_at,
    response_sha256
FROM lake_invoices
