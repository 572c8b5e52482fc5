-- One row per billed line: key (account, month, account report, measure), the answer, and what its reading expects.
-- kept as: view
-- per: cell
-- parts: rows
-- terms_witness: document or reading that gives the terms, in words
-- verdict: fits, differs, undecided (some of the tied readings give the amount) or not_provable
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
    lines.line_item_number,
    lines.line_date,
    headings.price_list_id,
    headings.price_list_description,
    headings.system_object,
    lines.system_id,
    lines.system_name,
    headings.level,
    headings.level_name,
    headings.model,
    headings.schedule_id,
    headings.schedule_allowance,
    headings.schedule_minimum,
    headings.schedule_maximum,
    headings.schedule_block,
    headings.schedule_rate,
    headings.schedule_catalog_id,
    headings.schedule_description,
    headings.schedule_account_report,
    headings.schedule_measure,
    headings.schedule_specified_network_id,
    headings.schedule_include_root_mailbox,
    lines.actual,
    lines.quantity_billed,
    lines.is_taxable,
    lines.amount,
    lines.extra,
    headings.api_version,
    lines.pulled_at,
    lines.response_sha256,
    lines.terms_source,
    lines.witness AS terms_witness,
    readings.reading_id,
    lines.expected_quantity_billed,
    lines.expected_amount,
    lines.difference,
    lines.verdict
FROM core_judged_lines AS lines
INNER JOIN core_line_headings AS headings USING (heading_no)
LEFT JOIN core_accounts AS accounts USING (network_id, mailbox_id)
LEFT JOIN core_former_accounts AS former
    ON former.network_id = lines.network_id
    AND former.mailbox_id = lines.mailbox_id
    AND former.reporting_month = lines.reporting_month
LEFT JOIN readings ON readings.set_no = lines.set_no
