-- One row per billed line of the simulated months: what was billed, what its own terms give, and whether other terms are tried on it.
-- kept as: scratch
-- `is_in_scope` leaves out accounts and contracts that were not asked for: their lines keep their amounts, and matter only as part of a
-- base of derived charges. `reference_amount` is what the terms in force give: the amount billed, or the expected one where the line
-- differs. `is_kept`: billed with its network, whatever the terms. `is_billed`: what
-- its own terms and quantity give is known from the bill. Reads the variables first_month, last_month, contract, network, mailbox.
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    accounts.account_name,
    coalesce(former.contract_id, accounts.contract_id) AS contract_id,
    lines.line_item_number,
    lines.terms_no,
    lines.price_list_id,
    lines.set_no,
    coalesce(measures.kind, 'count') AS kind,
    charge_part(coalesce(measures.kind, 'count'), lines.measure_field, line_terms.level) AS part,
    lines.actual,
    lines.amount,
    CASE WHEN lines.verdict = 'differs' THEN lines.expected_amount ELSE lines.amount END AS reference_amount,
    lines.expected_tier,
    lines.verdict,
    aggregated.terms_no IS NOT NULL AS is_kept,
    coalesce(coalesce(former.contract_id, accounts.contract_id) = getvariable('contract')::INTEGER, getvariable('contract') IS NULL)
    AND coalesce(lines.network_id = getvariable('network')::INTEGER, true)
    AND coalesce(lines.mailbox_id = getvariable('mailbox')::INTEGER, true) AS is_in_scope,
    true AS is_billed
FROM core_line_results AS lines
LEFT JOIN core_line_terms AS line_terms ON line_terms.terms_no = lines.terms_no
LEFT JOIN reference_measures AS measures ON measures.measure_field = lines.measure_field
LEFT JOIN core_accounts AS accounts ON accounts.network_id = lines.network_id AND accounts.mailbox_id = lines.mailbox_id
LEFT JOIN core_former_accounts AS former
    ON former.network_id = lines.network_id
    AND former.mailbox_id = lines.mailbox_id
    AND former.reporting_month = lines.reporting_month
LEFT JOIN core_aggregated_lines AS aggregated
    ON aggregated.network_id = lines.network_id
    AND aggregated.mailbox_id = lines.mailbox_id
    AND aggregated.terms_no = lines.terms_no
WHERE lines.reporting_month BETWEEN getvariable('first_month')::DATE AND getvariable('last_month')::DATE
