-- One row per distinct billing terms (a dimension): month, price list, report, measure and schedule shown on lines, and the contract
-- whose own terms (core_contract_terms) are in force for the account, or 0.
-- Millions of lines have a few thousand distinct billing terms, so texts are stored and compared once. A line's own attributes are in
-- core_line_facts, which is joined by every column here.
SELECT
    lines.* EXCLUDE (
        network_id, mailbox_id, line_item_number, line_date, system_id, system_name, actual, quantity_billed, is_taxable,
        amount, extra, pulled_at, response_sha256
    ),
    coalesce(accounts.terms_contract_id, 0) AS terms_contract_id,
    count(*) AS lines
FROM raw_line_items AS lines
LEFT JOIN core_terms_accounts AS accounts USING (network_id, mailbox_id, reporting_month)
GROUP BY ALL
