-- One row per billed line: the columns of out_line_items, and the rate ladder whose breakdown (core_proofs) it has.
-- kept as: view
-- A line that differs from every one of several amounts that may be expected has the nearest, or null if it is between them, as its finding.
-- set_no is null without a ladder, and for a line that is billed with its network (core_aggregated_lines).
WITH readings AS (
    SELECT chosen.set_no, rules.reading_id, rules.rule
    FROM core_chosen_readings AS chosen
    INNER JOIN core_reading_rules AS rules USING (set_no, reading_no)
    WHERE chosen.verdict <> 'none_fits'
    UNION
    SELECT expected.set_no, rules.reading_id, rules.rule
    FROM core_derived_expected AS expected
    INNER JOIN core_derived_rules AS rules USING (reading_no)
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
    line_terms.price_list_id,
    line_terms.price_list_description,
    line_terms.system_object,
    lines.system_id,
    lines.system_name,
    line_terms.level,
    line_terms.level_name,
    line_terms.model,
    line_terms.schedule_id,
    line_terms.schedule_allowance,
    line_terms.schedule_minimum,
    line_terms.schedule_maximum,
    line_terms.schedule_block,
    line_terms.schedule_rate,
    line_terms.schedule_catalog_id,
    line_terms.schedule_description,
    line_terms.schedule_account_report,
    line_terms.schedule_measure,
    line_terms.schedule_specified_network_id,
    line_terms.schedule_include_root_mailbox,
    lines.actual,
    lines.quantity_billed,
    lines.is_taxable,
    lines.amount,
    lines.extra,
    line_terms.api_version,
    lines.pulled_at,
    lines.response_sha256,
    lines.terms_source,
    lines.witness AS terms_witness,
    readings.reading_id,
    lines.expected_quantity_billed,
    CASE WHEN faults.network_id IS NOT NULL THEN faults.expected_amount ELSE lines.expected_amount END AS expected_amount,
    CASE WHEN faults.network_id IS NOT NULL THEN faults.difference ELSE lines.difference END AS difference,
    lines.verdict,
    sentence_text(readings.rule) AS reading_words,
    CASE WHEN NOT lines.is_aggregated THEN lines.set_no END AS set_no
FROM core_judged_lines AS lines
INNER JOIN core_line_terms AS line_terms USING (terms_no)
LEFT JOIN core_accounts AS accounts USING (network_id, mailbox_id)
LEFT JOIN core_former_accounts AS former
    ON former.network_id = lines.network_id
    AND former.mailbox_id = lines.mailbox_id
    AND former.reporting_month = lines.reporting_month
LEFT JOIN readings ON readings.set_no = lines.set_no
LEFT JOIN core_line_faults AS faults
    ON faults.network_id = lines.network_id
    AND faults.mailbox_id = lines.mailbox_id
    AND faults.reporting_month = lines.reporting_month
    AND faults.account_report = lines.account_report
    AND faults.measure_field = lines.measure_field
    AND faults.verdict = 'differs'
    AND faults.expected_least < faults.expected_most
