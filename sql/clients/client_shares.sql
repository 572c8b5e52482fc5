-- One row per client and amount of client_costs that it bears: all of what is billed to its accounts, and its share of what is shared.
-- kept as: scratch
-- A shared amount is divided among the clients that have amounts of their own in the contract and month (in the network, where it is
-- shared within one), by the rule that allocation.csv has for the contract and the charge: by these amounts (proportional, the default),
-- by what each would be charged alone (standalone), or evenly. Alone, a minimum is what a client's own amounts leave of it, shared usage
-- what its own use costs by the network's price list (client_alone), a percentage and what no line bills follow its own amounts, and a
-- credit is the same for each. Where no use of a client is known, shared usage follows own amounts. Shares are whole cents by largest remainder, equal remainders by the
-- client's name; what is left below a cent goes to the first. Without a client all of it is `unassigned`.
WITH numbered AS (
    SELECT *, row_number() OVER (ORDER BY contract_id, reporting_month, network_id, mailbox_id, account_report, measure_field) AS cost_no
    FROM client_costs
),
direct AS (
    SELECT * FROM numbered WHERE charge IS NULL
),
sharers AS (
    SELECT contract_id, reporting_month, NULL::INTEGER AS shared_network_id, client, sum(amount) AS own_amount
    FROM direct
    GROUP BY ALL
    UNION ALL
    SELECT contract_id, reporting_month, network_id, client, sum(amount)
    FROM direct
    GROUP BY ALL
),
rules AS (
    SELECT contract_id::INTEGER AS contract_id, allocation_charge(charge) AS charge, rule
    FROM reference_allocation
),
ruled AS (
    SELECT
        shared.* EXCLUDE (client),
        coalesce(sharers.client, 'unassigned') AS client,
        coalesce(sharers.own_amount, 0) AS own_amount,
        coalesce(named.rule, general.rule, 'proportional') AS rule,
        alone.amount AS alone_amount,
        count(alone.client) OVER (PARTITION BY shared.cost_no) > 0 AS is_alone_known
    FROM numbered AS shared
    LEFT JOIN sharers
        ON sharers.contract_id IS NOT DISTINCT FROM shared.contract_id
        AND sharers.reporting_month = shared.reporting_month
        AND sharers.shared_network_id IS NOT DISTINCT FROM shared.shared_network_id
    LEFT JOIN client_alone AS alone
        ON shared.charge = 'shared_tiers'
        AND alone.network_id = shared.network_id
        AND alone.reporting_month = shared.reporting_month
        AND alone.account_report = shared.account_report
        AND alone.measure_field = shared.measure_field
        AND alone.client = sharers.client
    LEFT JOIN rules AS named ON named.contract_id = shared.contract_id AND named.charge = shared.charge
    LEFT JOIN rules AS general ON general.contract_id = shared.contract_id AND general.charge = 'all'
    WHERE shared.charge IS NOT NULL
),
weighed AS (
    SELECT
        *,
        CASE
            WHEN rule = 'even' OR (rule = 'standalone' AND charge = 'credit') THEN 1
            WHEN rule = 'standalone' AND charge = 'minimum' THEN greatest(coalesce(rate, 0) - own_amount, 0)
            WHEN rule = 'standalone' AND charge = 'shared_tiers' AND is_alone_known THEN greatest(coalesce(alone_amount, 0), 0)
            ELSE greatest(own_amount, 0)
        END AS weight
    FROM ruled
),
weights AS (
    SELECT
        *,
        -- without any weight, evenly
        CASE WHEN sum(weight) OVER cost > 0 THEN in_cents(weight) ELSE 1 END::HUGEINT AS parts,
        in_cents(abs(amount)) AS cents
    FROM weighed
    WINDOW cost AS (PARTITION BY cost_no)
),
divided AS (
    SELECT *, share_of_cents(cents, parts, sum(parts) OVER cost) AS share, rest_of_cents(cents, parts, sum(parts) OVER cost) AS rest
    FROM weights
    WINDOW cost AS (PARTITION BY cost_no)
),
placed AS (
    SELECT
        *,
        cents - sum(share) OVER (PARTITION BY cost_no) AS left_over,
        row_number() OVER (PARTITION BY cost_no ORDER BY rest DESC, client) AS place
    FROM divided
),
shared AS (
    SELECT
        *,
        sign(amount) * (
            (share + CASE WHEN place <= left_over THEN 1 ELSE 0 END)::DECIMAL(28, 0) * 0.01
            + CASE WHEN place = 1 THEN abs(amount) - cents::DECIMAL(28, 0) * 0.01 ELSE 0 END
        ) AS cost
    FROM placed
)
SELECT
    client, contract_id, reporting_month, network_id, mailbox_id, account_report, measure_field, quantity,
    amount::DECIMAL(28, 10) AS cost,
    NULL::VARCHAR AS charge,
    NULL::VARCHAR AS allocation
FROM direct
UNION ALL
SELECT
    client, contract_id, reporting_month, network_id, mailbox_id, account_report, measure_field, NULL,
    cost::DECIMAL(28, 10),
    charge,
    CASE WHEN charge = 'shared_tiers' AND rule = 'standalone' AND NOT is_alone_known THEN 'proportional' ELSE rule END
FROM shared
