-- One row per charge that is billed twice: on the invoices of two contracts, or for its account and again for the account's network.
-- title: Same usage billed on two lines
-- The quantities show the second case. Either the contract aggregates its networks, and the Root's Actual is at least the sum of two or
-- more billed mailboxes of the network. Or the Root's Actual equals that sum. Small counts can be equal by chance, so equality is
-- evidence only with five significant digits, or with three if another measure or month of the network is equal too.
WITH network_totals AS (
    SELECT
        lines.network_id,
        lines.reporting_month,
        lines.account_report,
        lines.measure_field,
        count(*) AS mailboxes,
        sum(lines.actual) AS actual,
        sum(lines.amount) AS amount
    FROM core_lines AS lines
    INNER JOIN core_sets AS sets USING (set_no)
    WHERE lines.mailbox_id > 0 AND lines.actual > 0 AND lines.amount <> 0 AND sets.kind = 'count'
    GROUP BY ALL
    HAVING count(*) > 1
),
doubles AS (
    SELECT
        root.*,
        totals.mailboxes,
        totals.actual AS mailboxes_actual,
        totals.amount AS mailboxes_amount,
        count(*) FILTER (WHERE root.actual = totals.actual AND root.actual >= 100) OVER (PARTITION BY root.network_id) AS times_equal
    FROM core_lines AS root
    INNER JOIN network_totals AS totals USING (network_id, reporting_month, account_report, measure_field)
    WHERE root.mailbox_id = 0 AND root.amount <> 0
),
aggregates AS (
    SELECT DISTINCT contract_id, reporting_month
    FROM raw_contracts
    WHERE aggregate_network_traffic
)
SELECT
    matches.network_id,
    matches.mailbox_id,
    matches.reporting_month,
    matches.account_report,
    matches.measure_field,
    matches.price_list_id,
    matches.invoice_number,
    try_cast(matches.invoice_amount * 2 AS DECIMAL(28, 10)) AS billed_amount,
    matches.invoice_amount AS expected_amount,
    matches.invoice_amount AS difference,
    concat(
        'Invoice ', coalesce(matches.invoice_number, matches.invoice_id::VARCHAR), ' of contract ', matches.contract_id, ' bills ',
        money_text(matches.invoice_amount), ' for an account of contract ', matches.billing_contract_id,
        ', whose invoice also bills it: request a credit on invoice ', coalesce(matches.invoice_number, matches.invoice_id::VARCHAR), '.'
    ) AS explanation
FROM core_invoice_matches AS matches
WHERE matches.status = 'other_contract'
UNION ALL
SELECT
    root.network_id,
    root.mailbox_id,
    root.reporting_month,
    root.account_report,
    root.measure_field,
    root.price_list_id,
    NULL,
    try_cast(root.amount + root.mailboxes_amount AS DECIMAL(28, 10)),
    root.amount,
    try_cast(root.mailboxes_amount AS DECIMAL(28, 10)),
    concat(
        'The network is billed ', money_text(root.amount), ' for ', grouped_text(root.actual), '; ', root.mailboxes,
        ' of its mailboxes are billed ', money_text(root.mailboxes_amount), ' for ', grouped_text(root.mailboxes_actual),
        ' of the same usage: ask the vendor which of the two to bill.'
    )
FROM doubles AS root
LEFT JOIN core_accounts AS accounts USING (network_id, mailbox_id)
LEFT JOIN core_former_accounts AS former USING (network_id, mailbox_id, reporting_month)
LEFT JOIN aggregates
    ON aggregates.contract_id = coalesce(former.contract_id, accounts.contract_id)
    AND aggregates.reporting_month = root.reporting_month
WHERE (aggregates.contract_id IS NOT NULL AND root.actual >= root.mailboxes_actual)
    OR (
        root.actual = root.mailboxes_actual
        AND (
            len(trim(replace(plain_text(root.actual), '.', ''), '0')) >= 5
            OR (root.times_equal > 1 AND root.actual >= 100)
        )
    )
