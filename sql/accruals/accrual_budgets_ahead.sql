-- One row per budget that the month is projected to exceed: the projected sum, and by how much.
-- kept as: scratch
WITH clients AS (
    SELECT
        network_id::INTEGER AS network_id,
        mailbox_id::INTEGER AS mailbox_id,
        client
    FROM reference_clients
    WHERE coalesce(try_cast(valid_from AS DATE), DATE '0001-01-01') < getvariable('month')::DATE + INTERVAL 1 MONTH
        AND coalesce(try_cast(valid_to AS DATE), DATE '9999-12-31') >= getvariable('month')::DATE
),
sums AS (
    SELECT
        budgets.line,
        any_value(budgets.contract_id) AS contract_id,
        any_value(budgets.network_id) AS network_id,
        any_value(budgets.mailbox_id) AS mailbox_id,
        any_value(budgets.client) AS client,
        any_value(budgets.amount) AS budget,
        sum(charges.projected_amount)::DECIMAL(28, 10) AS amount
    FROM accrual_budgets AS budgets
    INNER JOIN accrual_all AS charges
        ON charges.contract_id = budgets.contract_id
        OR (charges.network_id = budgets.network_id AND charges.mailbox_id = budgets.mailbox_id)
        OR EXISTS (
            FROM clients
            WHERE clients.client = budgets.client
                AND clients.network_id = charges.network_id
                AND clients.mailbox_id = charges.mailbox_id
        )
    GROUP BY budgets.line
)
SELECT *
FROM sums
WHERE amount > budget
