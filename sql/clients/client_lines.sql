-- One row per client, account and charge of a month: what it costs by the vendor's invoice, and its price by the client's own rule.
-- kept as: scratch
-- The rule is the row of client_prices.csv in force at the end of the month that names the report and measure, else the measure, else the
-- report, else neither; of several the one that begins last. A line without a rule has no price: it is never free. `unassigned` has
-- none. The least price of a rule holds for a line whose cost is not a credit.
WITH costs AS (
    SELECT
        client, contract_id, network_id, mailbox_id, reporting_month, account_report, measure_field, charge, allocation,
        sum(quantity) AS quantity,
        sum(cost) AS cost
    FROM client_shares
    GROUP BY ALL
),
rules AS (
    SELECT
        client,
        account_report,
        measure_field,
        rule,
        value,
        reading,
        minimum::DECIMAL(28, 10) AS minimum,
        coalesce(valid_from::DATE, DATE '0001-01-01') AS valid_from
    FROM reference_client_prices
),
kinds AS (
    SELECT DISTINCT client, reporting_month, account_report, measure_field FROM costs
),
chosen AS (
    SELECT
        kinds.*,
        rules.rule,
        rules.reading,
        CASE WHEN rules.rule = 'ladder' THEN ladder_stem(rules.value) END AS ladder,
        CASE WHEN rules.rule <> 'ladder' THEN rules.value::DECIMAL(28, 10) END AS value,
        rules.minimum
    FROM kinds
    INNER JOIN rules
        ON rules.client = kinds.client
        AND coalesce(rules.account_report, kinds.account_report, '') = coalesce(kinds.account_report, '')
        AND coalesce(rules.measure_field, kinds.measure_field, '') = coalesce(kinds.measure_field, '')
        AND rules.valid_from < kinds.reporting_month + INTERVAL 1 MONTH
    QUALIFY row_number() OVER (
        PARTITION BY kinds.client, kinds.reporting_month, kinds.account_report, kinds.measure_field
        ORDER BY rules.measure_field IS NULL, rules.account_report IS NULL, rules.valid_from DESC
    ) = 1
),
ladders AS (
    SELECT DISTINCT ladder_id, ladder, account_report, measure_field, model FROM client_tiers
),
ruled AS (
    SELECT
        costs.*,
        chosen.rule,
        chosen.value,
        chosen.minimum,
        chosen.ladder,
        chosen.reading,
        rated.amount AS ladder_amount,
        rated.tier AS ladder_tier,
        -- a share has no quantity, and what these measure is money
        costs.charge IS NULL
        AND coalesce(costs.measure_field NOT IN ('CreditPercentage', 'DebitPercentage', 'MonthlyMinimum', 'Subtotal'), true) AS has_units,
        CASE
            WHEN chosen.rule IS DISTINCT FROM 'ladder' THEN NULL
            WHEN costs.quantity IS NULL THEN 'the quantity is not known'
            WHEN ladders.ladder_id IS NULL THEN concat('ladder ', chosen.ladder, ' has no tier for this measure')
            ELSE rated.error
        END AS ladder_error
    FROM costs
    LEFT JOIN chosen
        ON chosen.client = costs.client
        AND chosen.reporting_month = costs.reporting_month
        AND chosen.account_report IS NOT DISTINCT FROM costs.account_report
        AND chosen.measure_field IS NOT DISTINCT FROM costs.measure_field
    LEFT JOIN ladders
        ON ladders.ladder = chosen.ladder
        AND ladders.account_report = costs.account_report
        AND ladders.measure_field = costs.measure_field
    LEFT JOIN client_rated AS rated
        ON rated.ladder_id = ladders.ladder_id
        AND rated.reading_id = concat(coalesce(ladders.model, ''), '|', coalesce(chosen.reading, ''))
        AND rated.quantity = costs.quantity
),
priced AS (
    SELECT
        *,
        CASE rule
            WHEN 'pass_through' THEN cost
            WHEN 'markup_percent' THEN round(cost + cost * value * 0.01, 2)
            WHEN 'markup_per_unit' THEN cost + CASE WHEN quantity IS NULL AND NOT has_units THEN 0 ELSE round(value * quantity, 10) END
            WHEN 'fixed' THEN value
            WHEN 'ladder' THEN CASE WHEN ladder_error IS NULL THEN ladder_amount END
        END::DECIMAL(28, 10) AS rule_price
    FROM ruled
),
bounded AS (
    SELECT *, CASE WHEN minimum > rule_price AND cost >= 0 THEN minimum ELSE rule_price END::DECIMAL(28, 10) AS price
    FROM priced
)
SELECT
    client,
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    quantity::DECIMAL(28, 10) AS quantity,
    cost::DECIMAL(28, 10) AS cost,
    price,
    (price - cost)::DECIMAL(28, 10) AS margin,
    rule,
    concat_ws(
        '; ',
        CASE
            WHEN charge IS NULL THEN concat('Cost: billed to the account, ', csv_amount(cost))
            ELSE concat(
                'Cost: share of ',
                CASE charge
                    WHEN 'minimum' THEN 'a minimum'
                    WHEN 'percentage' THEN 'a percentage'
                    WHEN 'credit' THEN 'a credit'
                    WHEN 'shared_tiers' THEN 'usage billed to the network'
                    ELSE 'what no line of the invoice bills'
                END,
                CASE allocation
                    WHEN 'even' THEN ', divided evenly, '
                    WHEN 'standalone' THEN ', divided by what each client would pay alone, '
                    ELSE ', divided by the clients'' own amounts, '
                END,
                csv_amount(cost)
            )
        END,
        CASE
            WHEN client = 'unassigned' AND rule IS NULL THEN 'no client: add the account to clients.csv'
            WHEN rule IS NULL THEN 'no price: client_prices.csv has no rule for this client and measure; add one'
            WHEN rule = 'pass_through' THEN 'price: as billed'
            WHEN rule = 'markup_percent' THEN concat('price: cost and ', grouped_text(value), ' percent')
            WHEN price IS NULL AND rule = 'markup_per_unit' THEN 'no price: the quantity is not known'
            WHEN rule = 'markup_per_unit' AND quantity IS NULL THEN 'price: as billed, a charge without units'
            WHEN rule = 'markup_per_unit' THEN concat('price: cost and ', grouped_text(value), ' a unit')
            WHEN rule = 'fixed' THEN concat('price: fixed at ', csv_amount(value))
            WHEN ladder_error IS NOT NULL THEN concat('no price: ', ladder_error)
            ELSE concat(
                'price: ladder ', ladder,
                CASE WHEN ladder_tier > 0 THEN concat(', tier ', ladder_tier) ELSE '' END,
                CASE WHEN reading <> '' THEN concat(', read as ', reading) ELSE '' END
            )
        END,
        CASE WHEN minimum > rule_price AND cost >= 0 THEN concat('raised to the least price of ', csv_amount(minimum)) END
    ) AS explanation,
    contract_id,
    charge,
    allocation
FROM bounded
