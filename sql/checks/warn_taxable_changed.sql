-- One row per line whose tax flag differs from that of the same key in the month before.
-- title: Tax flag changed
WITH mixed AS (
    -- lists that tax a measure always or never are left out: no key changed, unless its account moved to another list
    SELECT price_list_id, account_report, measure_field
    FROM core_lines
    GROUP BY ALL
    HAVING bool_or(is_taxable) AND NOT bool_and(is_taxable)
),
lines AS (
    SELECT core_lines.* FROM core_lines SEMI JOIN mixed USING (price_list_id, account_report, measure_field)
    UNION
    SELECT core_lines.* FROM core_lines SEMI JOIN core_moved_accounts USING (network_id, mailbox_id)
)
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    lines.price_list_id,
    lines.amount AS billed_amount,
    concat(
        'The line of ', money_text(lines.amount), ' is ', CASE WHEN lines.is_taxable THEN '' ELSE 'not ' END, 'taxable; in ',
        strftime(earlier.reporting_month, '%Y-%m'), ' the same line was', CASE WHEN lines.is_taxable THEN ' not' ELSE '' END,
        ': check the tax before posting.'
    ) AS explanation
FROM lines
INNER JOIN lines AS earlier
    ON earlier.network_id = lines.network_id
    AND earlier.mailbox_id = lines.mailbox_id
    AND earlier.account_report = lines.account_report
    AND earlier.measure_field = lines.measure_field
    AND earlier.reporting_month = lines.reporting_month - INTERVAL 1 MONTH
WHERE lines.is_taxable <> earlier.is_taxable
