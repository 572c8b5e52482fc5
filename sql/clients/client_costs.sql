-- One row per amount that the invoices of a contract and month ask, by account and measure, before it is a client's.
-- kept as: scratch
-- The amounts of a contract and month add up to its invoiced_amount, less disputed_amount where the variable `rebill_disputed` is
-- `exclude`. What no line bills has no account.
-- `charge` is null for what is billed to the account itself, else what is billed above it and shared: minimum, percentage, credit (of a
-- network or a contract, or of a root mailbox where allocation.csv has a rule for it), shared_tiers (usage of a root mailbox without a
-- client, with such a rule), other (what no line bills). `shared_network_id` is the network within which it is shared, null: the contract.
-- `client` is the account's, `unassigned` without one. `quantity` and `rate` are what our line measures and shows.
WITH billed AS (
    SELECT
        amounts.contract_id,
        amounts.reporting_month,
        amounts.network_id,
        amounts.mailbox_id,
        amounts.account_report,
        amounts.measure_field,
        amounts.invoice_amount - amounts.disputed_amount AS amount
    FROM core_invoice_amounts AS amounts
    SEMI JOIN core_known_invoices AS invoices
        ON invoices.contract_id = amounts.contract_id
        AND invoices.reporting_month = amounts.reporting_month
        AND invoices.source = amounts.source
        AND invoices.invoice_number IS NOT DISTINCT FROM amounts.invoice_number
    WHERE amounts.disputed_amount = 0 OR getvariable('rebill_disputed') = 'exclude'
),
sums AS (
    SELECT contract_id, reporting_month, sum(amount) AS amount
    FROM billed
    GROUP BY ALL
),
wanted AS (
    SELECT
        contract_id,
        reporting_month,
        sum(invoiced_amount - CASE WHEN getvariable('rebill_disputed') = 'exclude' THEN disputed_amount ELSE 0 END) AS amount
    FROM core_known_invoices
    GROUP BY ALL
),
amounts AS (
    SELECT contract_id, reporting_month, network_id, mailbox_id, account_report, measure_field, sum(amount) AS amount
    FROM billed
    GROUP BY ALL
    -- a subtotal that repeats a sum is no charge
    HAVING measure_field IS DISTINCT FROM 'Subtotal' OR sum(amount) <> 0
    UNION ALL
    SELECT wanted.contract_id, wanted.reporting_month, NULL, NULL, NULL, NULL, wanted.amount - coalesce(sums.amount, 0)
    FROM wanted
    LEFT JOIN sums USING (contract_id, reporting_month)
    WHERE wanted.amount <> coalesce(sums.amount, 0)
),
ruled AS (
    SELECT DISTINCT contract_id::INTEGER AS contract_id, allocation_charge(charge) AS charge
    FROM reference_allocation
),
scopes AS (
    SELECT DISTINCT lines.network_id, lines.mailbox_id, lines.reporting_month, lines.account_report, lines.measure_field, readings.scope
    FROM core_derived_lines AS lines
    INNER JOIN core_derived_chosen AS chosen USING (set_no)
    INNER JOIN core_derived_readings AS readings USING (reading_no)
    WHERE readings.scope <> 'account' AND chosen.verdict <> 'none_fits'
),
kinds AS (
    SELECT
        amounts.*,
        -- what these measure is money that the vendor bills
        CASE
            WHEN amounts.measure_field NOT IN ('CreditPercentage', 'DebitPercentage', 'MonthlyMinimum', 'Subtotal') THEN lines.actual
        END AS quantity,
        lines.shown_rate AS rate,
        scopes.scope,
        CASE amounts.measure_field
            WHEN 'MonthlyMinimum' THEN 'minimum'
            WHEN 'CreditPercentage' THEN 'percentage'
            WHEN 'DebitPercentage' THEN 'percentage'
            WHEN 'Credit' THEN 'credit'
            ELSE CASE WHEN amounts.mailbox_id = 0 AND coalesce(own.client, network.client) IS NULL THEN 'shared_tiers' END
        END AS kind,
        coalesce(own.client, network.client) AS client
    FROM amounts
    LEFT JOIN core_lines AS lines USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
    LEFT JOIN scopes USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
    LEFT JOIN client_accounts AS own USING (network_id, mailbox_id, reporting_month)
    LEFT JOIN client_accounts AS network
        ON network.mailbox_id IS NULL
        AND network.network_id = amounts.network_id
        AND network.reporting_month = amounts.reporting_month
)
SELECT
    kinds.contract_id,
    kinds.reporting_month,
    kinds.network_id,
    kinds.mailbox_id,
    kinds.account_report,
    kinds.measure_field,
    kinds.quantity,
    kinds.rate,
    CASE
        WHEN kinds.network_id IS NULL OR kinds.mailbox_id IS NULL THEN 'other'
        WHEN kinds.scope IS NOT NULL THEN kinds.kind
        WHEN kinds.mailbox_id = 0 AND ruled.charge IS NOT NULL THEN kinds.kind
    END AS charge,
    CASE WHEN kinds.scope = 'network' THEN kinds.network_id END AS shared_network_id,
    coalesce(kinds.client, 'unassigned') AS client,
    kinds.amount::DECIMAL(28, 10) AS amount
FROM kinds
LEFT JOIN ruled ON ruled.contract_id = kinds.contract_id AND ruled.charge = kinds.kind
