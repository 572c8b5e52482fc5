-- One row per line whose key had another rate ladder the month before: the new quantity at the previous ladder.
-- Only ladders that are not in force in every month, and accounts that changed their price list, can have such lines. A ladder differs if
-- its terms changed (core_price_changes) in this month or, where two versions were in force, in the previous one, or by the contract's
-- own terms; not if more of its tiers became known.
WITH months AS (
    SELECT count(*) AS months FROM core_months
),
passing AS (
    SELECT set_no
    FROM core_tiers
    CROSS JOIN months
    GROUP BY set_no
    HAVING count(DISTINCT reporting_month) < any_value(months.months)
),
lines AS (
    SELECT * FROM core_lines WHERE set_no IN (SELECT set_no FROM passing)
    UNION
    SELECT core_lines.* FROM core_lines SEMI JOIN core_moved_accounts USING (network_id, mailbox_id)
),
changes AS (
    SELECT price_list_id, reporting_month, account_report, measure_field
    FROM core_price_changes
    UNION
    SELECT price_list_id, (reporting_month + INTERVAL 1 MONTH)::DATE, account_report, measure_field
    FROM core_tiers
    WHERE version = 2
    UNION
    SELECT price_list_id, reporting_month, account_report, measure_field
    FROM core_tiers
    WHERE version = 2 OR terms_contract_id > 0
)
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    earlier.set_no AS previous_set_no,
    lines.actual
FROM lines
INNER JOIN lines AS earlier
    ON earlier.network_id = lines.network_id
    AND earlier.mailbox_id = lines.mailbox_id
    AND earlier.account_report = lines.account_report
    AND earlier.measure_field = lines.measure_field
    AND earlier.reporting_month = lines.reporting_month - INTERVAL 1 MONTH
LEFT JOIN changes
    ON changes.price_list_id = lines.price_list_id
    AND changes.reporting_month = lines.reporting_month
    AND changes.account_report = lines.account_report
    AND changes.measure_field = lines.measure_field
WHERE earlier.set_no <> lines.set_no
    AND (changes.price_list_id IS NOT NULL OR earlier.price_list_id <> lines.price_list_id)
