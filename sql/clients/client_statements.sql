-- One row per line of the statement that a client gets for a month (variable `month`): its charges, and what changed of earlier statements.
-- kept as: scratch
-- client_issued has the lines of all statements that were closed, which never change. The first month after the last of them carries the
-- difference between what stands today and what was issued; a line that has no price today differs in nothing. A client one of whose
-- charges has no price gets no statement: `is_whole` is false. Of a share of what is billed to another client's account its name and cost
-- centre are not shown.
WITH present AS (
    SELECT
        client, reporting_month, network_id, mailbox_id, account_report, measure_field, charge,
        sum(quantity) AS quantity,
        sum(price) AS price,
        count(*) = count(price) AS is_priced
    FROM client_lines
    WHERE client <> 'unassigned'
    GROUP BY ALL
),
issued_months AS (
    SELECT DISTINCT reporting_month FROM client_issued WHERE entry = 'charge'
),
moved AS (
    SELECT
        client, reporting_month, network_id, mailbox_id, account_report, measure_field, charge,
        sum(quantity) AS quantity,
        sum(price) AS price,
        bool_and(is_priced) AS is_priced
    FROM (
        SELECT * FROM present
        UNION ALL BY NAME
        SELECT
            client, reporting_month, network_id, mailbox_id, account_report, measure_field, charge,
            -quantity AS quantity,
            -price AS price,
            true AS is_priced
        FROM client_issued
    )
    WHERE reporting_month IN (FROM issued_months)
    GROUP BY ALL
),
lines AS (
    SELECT 'charge' AS entry, * FROM present
    WHERE reporting_month = getvariable('month')::DATE AND reporting_month NOT IN (FROM issued_months)
    UNION ALL BY NAME
    SELECT 'correction' AS entry, * FROM moved
    WHERE is_priced AND price <> 0
        AND getvariable('month')::DATE = (SELECT (max(statement_month) + INTERVAL 1 MONTH)::DATE FROM client_issued)
)
SELECT
    lines.client,
    lines.entry,
    lines.reporting_month,
    lines.network_id,
    lines.mailbox_id,
    CASE WHEN lines.charge IS NULL OR coalesce(own.client, network.client) IS NOT NULL THEN accounts.account_name END AS account_name,
    coalesce(own.cost_centre, network.cost_centre) AS cost_centre,
    lines.account_report,
    lines.measure_field,
    lines.charge,
    lines.quantity::DECIMAL(28, 10) AS quantity,
    lines.price::DECIMAL(28, 10) AS price,
    bool_and(lines.is_priced) OVER (PARTITION BY lines.client) AS is_whole
FROM lines
LEFT JOIN core_accounts AS accounts USING (network_id, mailbox_id)
LEFT JOIN client_accounts AS own USING (network_id, mailbox_id, reporting_month, client)
LEFT JOIN client_accounts AS network
    ON network.mailbox_id IS NULL
    AND network.network_id = lines.network_id
    AND network.reporting_month = lines.reporting_month
    AND network.client = lines.client
