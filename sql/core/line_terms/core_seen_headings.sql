-- One row per heading: what many lines have in common, the month, price list, report, measure and schedule that they show,
-- and the contract whose own terms (core_contract_terms) are in force for the account, or 0.
-- per: cell
-- parts: sum(lines)
-- Some thousand headings stand over millions of lines: their texts are kept once, and compared once. What a line has to
-- itself is in core_headed_lines, which finds its heading by every column here.
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
