-- One row per contract, month and measure that imported lines bill without an account: their sum, and the sum of the lines requested.
-- Compared are the lines of the measure that no other line of the invoices bills. Lines of unknown measure (a product code that is not in
-- invoice_lines.csv) are one group of all remaining lines; its measure is null. keys_faulted: number of keys of the contract whose
-- response is a fault; if it is above 0, the sum may lack a line.
WITH theirs AS (
    SELECT
        contract_id,
        reporting_month,
        account_report,
        measure_field,
        min(invoice_number) AS invoice_number,
        count(*) AS lines,
        sum(invoice_amount) AS invoice_amount
    FROM core_invoice_matches
    WHERE status = 'unassigned'
    GROUP BY ALL
),
ours AS (
    SELECT
        matches.contract_id,
        matches.reporting_month,
        theirs.account_report,
        theirs.measure_field,
        count(*) AS lines,
        sum(matches.amount) AS amount
    FROM core_invoice_matches AS matches
    LEFT JOIN theirs
        ON theirs.contract_id = matches.contract_id
        AND theirs.reporting_month = matches.reporting_month
        AND theirs.account_report = matches.account_report
        AND theirs.measure_field = matches.measure_field
    WHERE matches.status = 'in_group'
    GROUP BY ALL
)
SELECT
    theirs.contract_id,
    theirs.reporting_month,
    theirs.account_report,
    theirs.measure_field,
    theirs.invoice_number,
    theirs.lines AS invoice_lines,
    theirs.invoice_amount,
    coalesce(ours.lines, 0) AS lines,
    coalesce(ours.amount, 0) AS amount,
    coalesce(recalculated.keys_faulted, 0) AS keys_faulted
FROM theirs
LEFT JOIN ours
    ON ours.contract_id = theirs.contract_id
    AND ours.reporting_month = theirs.reporting_month
    AND ours.account_report IS NOT DISTINCT FROM theirs.account_report
    AND ours.measure_field IS NOT DISTINCT FROM theirs.measure_field
LEFT JOIN core_recalculated_totals AS recalculated
    ON recalculated.contract_id = theirs.contract_id AND recalculated.reporting_month = theirs.reporting_month
