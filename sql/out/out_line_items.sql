-- One row per billed line: key (account, month, account report, measure), the answer, and what its reading expects.
-- kept as: view
WITH readings AS (
    SELECT chosen.set_no, readings.reading_id
    FROM core_chosen_readings AS chosen
    INNER JOIN core_set_readings AS readings USING (set_no, reading_no)
    WHERE chosen.verdict <> 'none_fits'
    UNION ALL
    SELECT DISTINCT set_no, reading_id
    FROM core_money_expected
)
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    accounts.account_name,
    coalesce(former.contract_id, accounts.contract_id) AS contract_id,
    lines.* EXCLUDE (network_id, mailbox_id, reporting_month, account_report, measure_field),
    readings.reading_id,
    results.expected_quantity_billed,
    results.expected_amount,
    results.difference,
    results.verdict
FROM raw_line_items AS lines
INNER JOIN core_line_results AS results
    USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
LEFT JOIN core_accounts AS accounts USING (network_id, mailbox_id)
LEFT JOIN core_former_accounts AS former USING (network_id, mailbox_id, reporting_month)
LEFT JOIN readings ON readings.set_no = results.set_no
