-- One row per requested key that should have a line and has none, with the evidence.
--     invoice  an invoice or its trial bills an amount for the key, and the response was no line or a fault
--     answer   the response is a line with a value that does not fit its type, and no invoice bills the key
--     peers    the price list has the key, its response was no line, and nine in ten of the accounts on the list, so nine or more, have a
--              line in that month (an account without usage has a line of 0; a Terminated or Suspended account may have none)
-- Any other fault is no evidence: the run reports it. `invoice_amount` is the amount that the invoice bills for the key; null where no
-- invoice has it, or its amount is unreadable.
WITH answered AS (
    SELECT network_id, mailbox_id, reporting_month, account_report, measure_field, outcome
    FROM core_requested_keys
),
lineless AS (
    SELECT network_id, mailbox_id, reporting_month, account_report, measure_field, NULL::VARCHAR AS fault_message, false AS is_unread
    FROM answered
    WHERE outcome = 'no_line'
    UNION ALL
    SELECT network_id, mailbox_id, reporting_month, account_report, measure_field, coalesce(fault_message, fault_code), is_unread
    FROM core_faulted_keys
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
        matches.invoice_amount,
        lineless.fault_message
    FROM core_invoice_matches AS matches
    INNER JOIN lineless USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
    WHERE matches.status = 'not_asked'
),
unread AS (
    SELECT lineless.*, coalesce(former.price_list_id, accounts.price_list_id) AS price_list_id
    FROM lineless
    LEFT JOIN core_accounts AS accounts USING (network_id, mailbox_id)
    LEFT JOIN core_former_accounts AS former USING (network_id, mailbox_id, reporting_month)
    ANTI JOIN on_invoice USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
    WHERE lineless.is_unread
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
    ANTI JOIN raw_accounts AS ended
        ON ended.network_id = answered.network_id
        AND ended.mailbox_id = answered.mailbox_id
        AND ended.reporting_month = answered.reporting_month
        AND ended.status IN ('Terminated', 'Suspended')
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
WHERE invoice_amount IS DISTINCT FROM 0
UNION ALL
SELECT
    network_id, mailbox_id, reporting_month, account_report, measure_field, price_list_id, NULL, NULL, NULL, fault_message,
    'answer', NULL, NULL
FROM unread
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
    NULL,
    'peers',
    peers.accounts,
    peers.accounts_with_line
FROM asked
INNER JOIN peers USING (price_list_id, reporting_month, account_report, measure_field)
ANTI JOIN on_invoice USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
WHERE NOT asked.has_line AND peers.accounts_with_line * 10 >= peers.accounts * 9
