-- One row per line whose response names another account, report or measure than the key requested: the key that it names.
-- Consequences on the invoice (a line of the named key without a response, a line that the invoice lacks) are not findings of their own.
-- cause: identity of the finding.
WITH mailboxes AS (
    SELECT mailbox_id, min(network_id) AS network_id
    FROM core_accounts
    WHERE mailbox_id > 0
    GROUP BY mailbox_id
)
SELECT
    odd.network_id,
    odd.mailbox_id,
    odd.reporting_month,
    odd.account_report,
    odd.measure_field,
    odd.amount,
    CASE WHEN odd.system_object = 'Network' THEN odd.system_id ELSE coalesce(mailboxes.network_id, odd.network_id) END
        AS named_network_id,
    CASE odd.system_object WHEN 'Network' THEN 0 WHEN 'Mailbox' THEN odd.system_id ELSE odd.mailbox_id END AS named_mailbox_id,
    coalesce(odd.schedule_account_report, odd.account_report) AS named_account_report,
    coalesce(odd.schedule_measure, odd.measure_field) AS named_measure_field,
    finding_identity(
        'identity_mismatch', odd.network_id, odd.mailbox_id, odd.reporting_month, odd.account_report, odd.measure_field,
        odd.price_list_id, NULL
    ) AS cause
FROM core_line_mismatches AS odd
LEFT JOIN mailboxes ON odd.system_object = 'Mailbox' AND mailboxes.mailbox_id = odd.system_id
WHERE odd.is_of_other_account OR odd.is_of_other_measure
