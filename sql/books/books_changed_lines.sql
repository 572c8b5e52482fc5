-- One row per line of the month (variable `month`) that is posted with other values than the warehouse has, and one of its present values.
-- kept as: scratch
-- `is_posted`: the values are those posted, else those of the warehouse; a line that is new or gone has one row. Compared are the key,
-- the price list, the contract, quantity, amounts and the tax flag; names and the interpretation may change without a correction.
SELECT *
FROM (
    SELECT true AS is_posted, * FROM books_posted_lines
    UNION ALL BY NAME
    SELECT false AS is_posted, * FROM out_finance_lines WHERE reporting_month = getvariable('month')::DATE
)
WINDOW alike AS (
    PARTITION BY
        network_id, mailbox_id, reporting_month, account_report, measure_field, price_list_id, contract_id, quantity_billed, billed_amount,
        expected_amount, is_taxable
)
QUALIFY min(is_posted) OVER alike = max(is_posted) OVER alike
