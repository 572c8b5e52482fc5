-- One row per billed line: key (account, month, account report, measure), what was billed and what it should have cost.
-- kept as: view
-- The first fifteen columns are a promise to the ledgers that load finance_lines.csv: add at the end only.
-- reading: reading that prices the line, as words joined by dots; null where none fits
-- reading_words: the same as a sentence
-- verdict: fits, differs, undecided (some of the tied readings, or another rounding, give the amount) or not_provable
SELECT
    network_id,
    mailbox_id,
    account_name,
    reporting_month,
    account_report,
    measure_field,
    price_list_id,
    price_list_description,
    reading_id AS reading,
    quantity_billed,
    amount AS billed_amount,
    expected_amount,
    difference,
    verdict,
    is_taxable,
    contract_id,
    line_item_number,
    system_object,
    system_id,
    system_name,
    level,
    level_name,
    model,
    schedule_id,
    schedule_rate,
    schedule_block,
    actual,
    expected_quantity_billed,
    response_sha256,
    reading_words
FROM out_line_items
