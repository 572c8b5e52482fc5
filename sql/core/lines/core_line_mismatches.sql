-- One row per line whose response differs from its request: another account, report or measure, or a day outside the month.
-- A network is its Root mailbox (0). Other objects than networks and mailboxes (an AS2 id, a carbon copy) name no account.
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    price_list_id,
    amount,
    line_date,
    system_object,
    system_id,
    system_name,
    schedule_account_report,
    schedule_measure,
    (system_object = 'Mailbox' AND system_id IS DISTINCT FROM mailbox_id)
    OR (system_object = 'Network' AND (system_id IS DISTINCT FROM network_id OR mailbox_id <> 0)) AS is_of_other_account,
    coalesce(schedule_account_report, account_report) <> account_report
    OR coalesce(schedule_measure, measure_field) <> measure_field AS is_of_other_measure,
    coalesce(line_date < reporting_month OR line_date >= reporting_month + INTERVAL 1 MONTH, false) AS is_outside_month
FROM core_line_facts
INNER JOIN core_line_terms USING (terms_no)
WHERE (system_object = 'Mailbox' AND system_id IS DISTINCT FROM mailbox_id)
    OR (system_object = 'Network' AND (system_id IS DISTINCT FROM network_id OR mailbox_id <> 0))
    OR coalesce(schedule_account_report, account_report) <> account_report
    OR coalesce(schedule_measure, measure_field) <> measure_field
    OR line_date < reporting_month
    OR line_date >= reporting_month + INTERVAL 1 MONTH
