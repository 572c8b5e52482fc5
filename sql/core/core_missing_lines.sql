-- One row per key that should have a line and has none, with the evidence.
--     invoice  the invoice of its contract bills the key, and InvoiceCalculateLineItem gave no line for it
--     peers    the price list prices the key, it was asked and answered without a line, while nine in ten of at least four
--              accounts on the list have one in that month (a quiet account has a line of nothing)
-- A key whose call ended in a fault is not missing but unanswered: the run itself says so.
WITH answered AS (
    SELECT network_id, mailbox_id, reporting_month, account_report, measure_field, outcome
    FROM raw_calls
),
on_invoice AS (
    SELECT
        matches.network_id,
        matches.mailbox_id,
        matches.reporting_month,
        matches.account_report,
        matches.measure_field,
        matches.price_list_id,
        matches.invoice_number,
        matches.source,
        matches.invoice_amount AS expected_amount
    FROM core_invoice_matches AS matches
    LEFT JOIN answered USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
    WHERE matches.status = 'not_asked' AND coalesce(answered.outcome, 'no_line') = 'no_line'
),
asked AS (
    SELECT
        coalesce(former.price_list_id, accounts.price_list_id) AS price_list_id,
        answered.*,
        answered.outcome = 'line' AS has_line
    FROM answered
    INNER JOIN core_accounts AS accounts USING (network_id, mailbox_id)
    LEFT JOIN core_former_accounts AS former USING (network_id, mailbox_id, reporting_month)
    SEMI JOIN core_tiers AS tiers
        ON tiers.price_list_id = coalesce(former.price_list_id, accounts.price_list_id)
        AND tiers.reporting_month = answered.reporting_month
        AND tiers.account_report = answered.account_report
        AND tiers.measure_field = answered.measure_field
    WHERE answered.outcome IN ('line', 'no_line')
),
peers AS (
    SELECT price_list_id, reporting_month, account_report, measure_field, count(*) AS accounts,
        count(*) FILTER (WHERE has_line) AS accounts_with_line
    FROM asked
    GROUP BY ALL
)
SELECT *, 'invoice' AS evidence, NULL::BIGINT AS accounts, NULL::BIGINT AS accounts_with_line
FROM on_invoice
UNION ALL
SELECT
    asked.network_id,
    asked.mailbox_id,
    asked.reporting_month,
    asked.account_report,
    asked.measure_field,
    asked.price_list_id,
    NULL,
    NULL,
    NULL,
    'peers',
    peers.accounts,
    peers.accounts_with_line
FROM asked
INNER JOIN peers USING (price_list_id, reporting_month, account_report, measure_field)
ANTI JOIN on_invoice
    ON on_invoice.network_id = asked.network_id
    AND on_invoice.mailbox_id = asked.mailbox_id
    AND on_invoice.reporting_month = asked.reporting_month
    AND on_invoice.account_report = asked.account_report
    AND on_invoice.measure_field = asked.measure_field
WHERE NOT asked.has_line AND peers.accounts >= 4 AND peers.accounts_with_line * 10 >= peers.accounts * 9
