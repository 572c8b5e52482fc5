-- One row per contract and month, as read by that month's run.
SELECT
    reporting_month,
    contract_id,
    description,
    contract_number,
    effective,
    expires,
    status,
    po_number,
    aggregate_network_traffic,
    last_invoice_number,
    last_invoice_date,
    extra,
    api_version,
    pulled_at,
    response_sha256
FROM lake_contracts
