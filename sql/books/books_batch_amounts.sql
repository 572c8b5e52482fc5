-- One row per batch of corrections (0 is the closing) and what a ledger books alike: the sum billed.
-- kept as: scratch view
WITH amounts AS (
    SELECT
        0 AS correction,
        contract_id,
        network_id,
        reporting_month,
        account_report,
        measure_field,
        is_taxable,
        billed_amount
    FROM books_closed_lines
    UNION ALL
    SELECT
        correction,
        contract_id,
        network_id,
        reporting_month,
        account_report,
        measure_field,
        is_taxable,
        billed_amount
    FROM books_line_entries
)
SELECT
    correction,
    contract_id,
    network_id,
    reporting_month,
    account_report,
    measure_field,
    is_taxable,
    sum(billed_amount)::DECIMAL(38, 10) AS amount
FROM amounts
GROUP BY ALL
