-- One row per line: its account, the key of its billing terms, and its own attributes.
-- kept as: table, response_sha256 uncompressed
SELECT
    lines.network_id,
    lines.mailbox_id,
    line_terms.terms_no,
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
INNER JOIN core_line_terms AS line_terms
    ON line_terms.reporting_month IS NOT DISTINCT FROM lines.reporting_month
    AND line_terms.account_report IS NOT DISTINCT FROM lines.account_report
    AND line_terms.measure_field IS NOT DISTINCT FROM lines.measure_field
    AND line_terms.price_list_id IS NOT DISTINCT FROM lines.price_list_id
    AND line_terms.price_list_description IS NOT DISTINCT FROM lines.price_list_description
    AND line_terms.system_object IS NOT DISTINCT FROM lines.system_object
    AND line_terms.level IS NOT DISTINCT FROM lines.level
    AND line_terms.level_name IS NOT DISTINCT FROM lines.level_name
    AND line_terms.model IS NOT DISTINCT FROM lines.model
    AND line_terms.schedule_id IS NOT DISTINCT FROM lines.schedule_id
    AND line_terms.schedule_allowance IS NOT DISTINCT FROM lines.schedule_allowance
    AND line_terms.schedule_minimum IS NOT DISTINCT FROM lines.schedule_minimum
    AND line_terms.schedule_maximum IS NOT DISTINCT FROM lines.schedule_maximum
    AND line_terms.schedule_block IS NOT DISTINCT FROM lines.schedule_block
    AND line_terms.schedule_rate IS NOT DISTINCT FROM lines.schedule_rate
    AND line_terms.schedule_catalog_id IS NOT DISTINCT FROM lines.schedule_catalog_id
    AND line_terms.schedule_description IS NOT DISTINCT FROM lines.schedule_description
    AND line_terms.schedule_account_report IS NOT DISTINCT FROM lines.schedule_account_report
    AND line_terms.schedule_measure IS NOT DISTINCT FROM lines.schedule_measure
    AND line_terms.schedule_specified_network_id IS NOT DISTINCT FROM lines.schedule_specified_network_id
    AND line_terms.schedule_include_root_mailbox IS NOT DISTINCT FROM lines.schedule_include_root_mailbox
    AND line_terms.terms_contract_id = coalesce(accounts.terms_contract_id, 0)
    AND line_terms.api_version IS NOT DISTINCT FROM lines.api_version
