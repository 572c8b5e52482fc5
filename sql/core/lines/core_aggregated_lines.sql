-- One row per line of a mailbox that is billed 0 because its network's Root is billed for it: usage, but 0 billed at 0.00.
-- It is accepted if the contract aggregates the traffic of its networks, or if at least two mailboxes of the network had use in that
-- month, report and measure, none of them is billed anything, and the Root's Actual is at least their total use. Such a line is correct,
-- and no evidence for the interpretation of the price list.
WITH roots AS (
    SELECT network_id, reporting_month, account_report, measure_field, actual
    FROM core_lines
    WHERE mailbox_id = 0 AND quantity_billed > 0 AND actual > 0
),
zeros AS (
    SELECT
        lines.network_id,
        lines.mailbox_id,
        lines.reporting_month,
        lines.account_report,
        lines.measure_field,
        lines.terms_no,
        roots.actual AS root_actual
    FROM core_lines AS lines
    INNER JOIN roots USING (network_id, reporting_month, account_report, measure_field)
    INNER JOIN core_sets AS sets USING (set_no)
    WHERE lines.amount = 0
        AND lines.quantity_billed = 0
        AND lines.actual > 0
        AND lines.mailbox_id > 0
        AND sets.kind = 'count'
),
networks AS (
    SELECT
        network_id,
        reporting_month,
        account_report,
        measure_field,
        count(*) AS mailboxes,
        bool_or(amount <> 0) AS is_mailbox_billed,
        sum(actual) AS actual_together
    FROM core_lines
    SEMI JOIN zeros USING (network_id, reporting_month, account_report, measure_field)
    WHERE mailbox_id > 0 AND actual > 0
    GROUP BY network_id, reporting_month, account_report, measure_field
),
aggregates AS (
    SELECT DISTINCT contract_id, reporting_month
    FROM raw_contracts
    WHERE aggregate_network_traffic
)
SELECT zeros.network_id, zeros.mailbox_id, zeros.reporting_month, zeros.terms_no
FROM zeros
INNER JOIN networks USING (network_id, reporting_month, account_report, measure_field)
LEFT JOIN core_accounts AS root ON root.network_id = zeros.network_id AND root.mailbox_id = 0
LEFT JOIN core_former_accounts AS former
    ON former.network_id = zeros.network_id
    AND former.mailbox_id = 0
    AND former.reporting_month = zeros.reporting_month
LEFT JOIN aggregates
    ON aggregates.contract_id = coalesce(former.contract_id, root.contract_id)
    AND aggregates.reporting_month = zeros.reporting_month
WHERE aggregates.contract_id IS NOT NULL
    OR (networks.mailboxes > 1 AND NOT networks.is_mailbox_billed AND zeros.root_actual >= networks.actual_together)
