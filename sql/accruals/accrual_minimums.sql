-- One row per account of the month without any line to project from whose price list has a monthly minimum: the least that it will pay.
-- kept as: scratch
WITH accounts AS (
    SELECT network_id, mailbox_id, any_value(contract_id) AS contract_id, any_value(price_list_id) AS price_list_id
    FROM raw_accounts
    WHERE reporting_month = getvariable('month')::DATE AND status = 'Active'
    GROUP BY network_id, mailbox_id
),
minimums AS (
    SELECT price_list_id, account_report, measure_field, any_value(first_rate) AS rate, any_value(schedule_set_id) AS schedule_set_id
    FROM core_sets
    WHERE kind = 'minimum'
        AND set_no IN (SELECT set_no FROM core_tiers WHERE reporting_month = getvariable('month')::DATE AND version = 1)
    GROUP BY price_list_id, account_report, measure_field
    HAVING count(*) = 1
)
SELECT
    accounts.network_id,
    accounts.mailbox_id,
    getvariable('month')::DATE AS reporting_month,
    minimums.account_report,
    minimums.measure_field,
    nullif(accounts.contract_id, 0) AS contract_id,
    'contract minimum' AS method,
    NULL::DECIMAL(28, 10) AS actual_to_date,
    NULL::DECIMAL(28, 10) AS projected_quantity,
    minimums.rate AS projected_amount,
    NULL::DECIMAL(28, 10) AS low,
    NULL::DECIMAL(28, 10) AS high,
    concat('price list ', accounts.price_list_id, '; terms ', minimums.schedule_set_id) AS source,
    NULL::BOOLEAN AS is_taxable
FROM accounts
INNER JOIN minimums USING (price_list_id)
ANTI JOIN accrual_history AS history
    ON history.network_id = accounts.network_id AND history.mailbox_id = accounts.mailbox_id
ANTI JOIN accrual_invoiced_contracts AS invoiced ON invoiced.contract_id = accounts.contract_id
WHERE minimums.rate > 0
