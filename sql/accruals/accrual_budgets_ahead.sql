-- One row per budget that the month is projected to exceed: the projected sum, and by how much.
-- kept as: scratch
-- An account's client is that of its own row of clients.csv, else that of its network (mailbox_id empty); of several rows the one that
-- begins last in the month counts.
WITH clients AS (
    SELECT
        network_id::INTEGER AS network_id,
        mailbox_id::INTEGER AS mailbox_id,
        client
    FROM reference_clients
    WHERE coalesce(try_cast(valid_from AS DATE), DATE '0001-01-01') < getvariable('month')::DATE + INTERVAL 1 MONTH
        AND coalesce(try_cast(valid_to AS DATE), DATE '9999-12-31') >= getvariable('month')::DATE
    QUALIFY row_number() OVER (
        PARTITION BY network_id::INTEGER, mailbox_id::INTEGER
        ORDER BY try_cast(valid_from AS DATE) DESC NULLS LAST
    ) = 1
),
charges AS (
    SELECT
        accrued.contract_id,
        accrued.network_id,
        accrued.mailbox_id,
        coalesce(own.client, whole.client) AS client,
        accrued.projected_amount
    FROM accrual_all AS accrued
    LEFT JOIN clients AS own ON own.network_id = accrued.network_id AND own.mailbox_id = accrued.mailbox_id
    LEFT JOIN clients AS whole ON whole.network_id = accrued.network_id AND whole.mailbox_id IS NULL
),
sums AS (
    SELECT
        budgets.line,
        any_value(budgets.contract_id) AS contract_id,
        any_value(budgets.network_id) AS network_id,
        any_value(budgets.mailbox_id) AS mailbox_id,
        any_value(budgets.client) AS client,
        any_value(budgets.amount) AS budget,
        try_cast(sum(charges.projected_amount) AS DECIMAL(28, 10)) AS amount
    FROM accrual_budgets AS budgets
    INNER JOIN charges
        ON charges.contract_id = budgets.contract_id
        OR (charges.network_id = budgets.network_id AND charges.mailbox_id = budgets.mailbox_id)
        OR charges.client = budgets.client
    GROUP BY budgets.line
)
SELECT *
FROM sums
WHERE amount > budget
