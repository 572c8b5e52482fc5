-- One row per row of budgets.csv that holds in the month: whose it is, and the amount.
-- kept as: scratch
-- A cell that cannot be read ends the command with the row's number; so does a client or an account that is not known.
WITH numbered AS (
    SELECT row_number() OVER () + 1 AS line, *
    FROM reference_budgets
),
typed AS (
    SELECT
        line,
        try_cast(contract_id AS INTEGER) AS contract_id,
        try_cast(network_id AS INTEGER) AS network_id,
        try_cast(mailbox_id AS INTEGER) AS mailbox_id,
        client,
        try_cast(amount AS DECIMAL(28, 10)) AS amount,
        try_cast(coalesce(valid_from, '0001-01-01') AS DATE) AS valid_from,
        try_cast(coalesce(valid_to, '9999-12-31') AS DATE) AS valid_to,
        CASE
            WHEN contract_id IS NOT NULL AND try_cast(contract_id AS INTEGER) IS NULL THEN 'contract_id is no number'
            WHEN network_id IS NOT NULL AND try_cast(network_id AS INTEGER) IS NULL THEN 'network_id is no number'
            WHEN mailbox_id IS NOT NULL AND try_cast(mailbox_id AS INTEGER) IS NULL THEN 'mailbox_id is no number'
            WHEN (network_id IS NULL) <> (mailbox_id IS NULL) THEN 'network_id and mailbox_id go together'
            WHEN (contract_id IS NOT NULL)::INTEGER + (network_id IS NOT NULL)::INTEGER + (client IS NOT NULL)::INTEGER <> 1
                THEN 'fill contract_id, or network_id and mailbox_id, or client'
            WHEN try_cast(amount AS DECIMAL(28, 10)) IS NULL THEN 'amount is no decimal'
            WHEN try_cast(coalesce(valid_from, '0001-01-01') AS DATE) IS NULL THEN 'valid_from is no day such as 2026-10-01'
            WHEN try_cast(coalesce(valid_to, '9999-12-31') AS DATE) IS NULL THEN 'valid_to is no day such as 2026-10-01'
        END AS fault
    FROM numbered
),
checked AS (
    SELECT
        typed.* EXCLUDE (fault),
        coalesce(
            typed.fault,
            CASE
                WHEN typed.client IS NOT NULL AND clients.client IS NULL THEN concat('client ', typed.client, ' is not in clients.csv')
                WHEN typed.network_id IS NOT NULL AND accounts.network_id IS NULL
                    THEN concat('account ', typed.network_id, '/', typed.mailbox_id, ' is not in the account list')
            END
        ) AS fault,
        typed.fault IS NOT NULL
        OR (typed.valid_from < getvariable('month')::DATE + INTERVAL 1 MONTH AND typed.valid_to >= getvariable('month')::DATE) AS is_wanted
    FROM typed
    LEFT JOIN (SELECT DISTINCT client FROM reference_clients) AS clients ON clients.client = typed.client
    LEFT JOIN core_accounts AS accounts ON accounts.network_id = typed.network_id AND accounts.mailbox_id = typed.mailbox_id
)
SELECT
    line,
    contract_id,
    network_id,
    mailbox_id,
    client,
    CASE WHEN fault IS NULL THEN amount ELSE error(concat('budgets.csv, line ', line, ': ', fault)) END AS amount
FROM checked
WHERE is_wanted
