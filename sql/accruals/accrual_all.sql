-- One row per key that is accrued: projected, by the contract's minimum, or as it was booked before its invoice came.
-- kept as: scratch
WITH projected AS (
    SELECT *
    FROM accrual_rows
    UNION ALL
    SELECT *
    FROM accrual_minimums
)
SELECT *
FROM projected
UNION ALL BY NAME
SELECT *
FROM accrual_booked
ANTI JOIN projected USING (network_id, mailbox_id, account_report, measure_field)
WHERE contract_id IN (SELECT contract_id FROM accrual_invoiced_contracts)
