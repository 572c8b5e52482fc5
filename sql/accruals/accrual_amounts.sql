-- One row per contract, network, report, measure and tax flag that is accrued: what the entry books, and the sum that is owed.
-- kept as: scratch
-- role: charge, or accrued (the sum of the contract, with the other sign).
WITH charges AS (
    SELECT contract_id, network_id, account_report, measure_field, is_taxable, sum(projected_amount)::DECIMAL(38, 10) AS amount
    FROM accrual_all
    WHERE projected_amount IS NOT NULL
    GROUP BY contract_id, network_id, account_report, measure_field, is_taxable
)
SELECT contract_id, 'charge' AS role, network_id, account_report, measure_field, is_taxable, amount
FROM charges
UNION ALL
SELECT contract_id, 'accrued', NULL, NULL, NULL, NULL, -sum(amount)
FROM charges
GROUP BY contract_id
