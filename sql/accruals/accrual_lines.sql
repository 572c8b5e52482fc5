-- One row per key of accrual_projections, as simulation_lines has lines: what the month's charge is compared with.
-- kept as: scratch
-- `reference_amount` is what the charge was in the month of the derived charges of its account (the month before, else the month itself):
-- the bases of these move by the difference. A line that was recalculated after the month's end, or is billed with its
-- network, keeps its amount.
WITH derived AS (
    SELECT network_id, mailbox_id, min(base_month) AS base_month
    FROM accrual_keys
    WHERE kind IN ('percentage', 'subtotal', 'minimum')
    GROUP BY network_id, mailbox_id
)
SELECT
    keys.network_id,
    keys.mailbox_id,
    getvariable('month')::DATE AS reporting_month,
    keys.account_report,
    keys.measure_field,
    keys.account_name,
    keys.contract_id,
    keys.line_item_number,
    keys.terms_no,
    keys.price_list_id,
    sets.set_no,
    keys.kind,
    keys.part,
    keys.actual,
    keys.amount,
    CASE
        WHEN keys.kind IN ('percentage', 'subtotal', 'minimum') THEN keys.amount
        WHEN derived.base_month IS NULL OR derived.base_month = keys.base_month THEN keys.amount
        ELSE coalesce(earlier.amount, 0)
    END::DECIMAL(28, 10) AS reference_amount,
    1 AS expected_tier,
    keys.verdict,
    keys.is_kept,
    true AS is_in_scope,
    false AS is_billed
FROM accrual_keys AS keys
INNER JOIN accrual_sets AS sets USING (network_id, mailbox_id, account_report, measure_field)
LEFT JOIN derived USING (network_id, mailbox_id)
LEFT JOIN accrual_history AS earlier
    ON earlier.network_id = keys.network_id
    AND earlier.mailbox_id = keys.mailbox_id
    AND earlier.account_report = keys.account_report
    AND earlier.measure_field = keys.measure_field
    AND earlier.reporting_month = derived.base_month
