-- One row per line: its account, the key of its billing terms, and its own attributes.
-- kept as: table, response_sha256 uncompressed
-- per: cell
SELECT
    lines.network_id,
    lines.mailbox_id,
    headings.heading_no,
    lines.line_item_number,
    lines.line_date,
    lines.system_id,
    lines.system_name,
    lines.actual,
    lines.quantity_billed,
    lines.is_taxable,
    lines.amount,
    lines.extra,
    lines.pulled_at,
    lines.response_sha256
FROM raw_line_items AS lines
LEFT JOIN core_terms_accounts AS accounts USING (network_id, mailbox_id, reporting_month)
INNER JOIN core_line_headings AS headings
    ON headings.reporting_month IS NOT DISTINCT FROM lines.reporting_month
    AND headings.account_report IS NOT DISTINCT FROM lines.account_report
    AND headings.measure_field IS NOT DISTINCT FROM lines.measure_field
    AND headings.price_list_id IS NOT DISTINCT FROM lines.price_list_id
    AND headings.price_list_description IS NOT DISTINCT FROM lines.price_list_description
    AND headings.system_object IS NOT DISTINCT FROM lines.system_object
    AND headings.level IS NOT DISTINCT FROM lines.level
    AND headings.level_name IS NOT DISTINCT FROM lines.level_name
    AND headings.model IS NOT DISTINCT FROM lines.model
    AND headings.schedule_id IS NOT DISTINCT FROM lines.schedule_id
    AND headings.schedule_allowance IS NOT DISTINCT FROM lines.schedule_allowance
    AND headings.schedule_minimum IS NOT DISTINCT FROM lines.schedule_minimum
    AND headings.schedule_maximum IS NOT DISTINCT FROM lines.schedule_maximum
    AND headings.schedule_block IS NOT DISTINCT FROM lines.schedule_block
    AND headings.schedule_rate IS NOT DISTINCT FROM lines.schedule_rate
    AND headings.schedule_catalog_id IS NOT DISTINCT FROM lines.schedule_catalog_id
    AND headings.schedule_description IS NOT DISTINCT FROM lines.schedule_description
    AND headings.schedule_account_report IS NOT DISTINCT FROM lines.schedule_account_report
    AND headings.schedule_measure IS NOT DISTINCT FROM lines.schedule_measure
    AND headings.schedule_specified_network_id IS NOT DISTINCT FROM lines.schedule_specified_network_id
    AND headings.schedule_include_root_mailbox IS NOT DISTINCT FROM lines.schedule_include_root_mailbox
    AND headings.terms_contract_id = coalesce(accounts.terms_contract_id, 0)
    AND headings.api_version IS NOT DISTINCT FROM lines.api_version
