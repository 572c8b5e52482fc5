-- One row per amount that the invoices of a contract and month ask, by account and measure, before it is a client's.
-- kept as: scratch
-- The amounts of a contract and month add up to its invoiced_amount, less disputed_amount where the variable `rebill_disputed`
-- is `exclude`.
-- What no line bills has no account. An invoice without lines of its own bills the lines of its contract.
-- `charge` is null for what is billed to the account itself, else what is billed above it and shared: minimum, percentage, credit (of a
-- network or a contract, or of a root mailbox where allocation.csv has a rule for it), shared_tiers (usage of a root mailbox without a
-- client, with such a rule), other (what no line bills). `shared_network_id` is the network within which it is shared, null: the contract.
-- `client` is the account's, `unassigned` without one. `quantity` and `rate` are what our line measures and shows.
WITH invoices AS (
    SELECT
        contract_id,
        reporting_month,
        invoice_source AS source,
        invoice_number,
        sum(invoiced_amount) AS invoiced_amount,
        sum(disputed_amount) AS disputed_amount
    FROM out_invoice_reconciliation
    WHERE invoice_source IS NOT NULL
    GROUP BY ALL
    HAVING count(*) = count(invoiced_amount)
),
issued AS (
    SELECT numbered.contract_id, numbered.reporting_month, numbered.source, numbered.invoice_id, numbered.is_newest
    FROM core_issued_invoices AS numbered
    SEMI JOIN invoices
        ON invoices.contract_id = numbered.contract_id
        AND invoices.reporting_month = numbered.reporting_month
        AND invoices.source = numbered.source
        AND invoices.invoice_number IS NOT DISTINCT FROM numbered.invoice_number
),
billed AS (
    SELECT
        shares.contract_id,
        shares.reporting_month,
        shares.network_id,
        shares.mailbox_id,
        shares.account_report,
        shares.measure_field,
        shares.invoice_amount AS amount
    FROM core_invoice_shares AS shares
    SEMI JOIN issued
        ON issued.contract_id = shares.contract_id
        AND issued.reporting_month = shares.reporting_month
        AND issued.source = shares.source
        AND issued.invoice_id = shares.invoice_id
    UNION ALL
    SELECT
        lines.contract_id,
        lines.reporting_month,
        lines.network_id,
        lines.mailbox_id,
        lines.account_report,
        lines.measure_field,
        lines.amount
    FROM out_line_items AS lines
    INNER JOIN issued
        ON issued.contract_id = lines.contract_id AND issued.reporting_month = lines.reporting_month AND issued.is_newest
    ANTI JOIN core_invoice_shares AS shares
        ON shares.contract_id = lines.contract_id AND shares.reporting_month = lines.reporting_month
    UNION ALL
    SELECT
        findings.contract_id,
        findings.reporting_month,
        findings.network_id,
        findings.mailbox_id,
        findings.account_report,
        findings.measure_field,
        -findings.disputed_amount
    FROM out_finding_amounts AS findings
    SEMI JOIN issued
        ON issued.contract_id = findings.contract_id
        AND issued.reporting_month = findings.reporting_month
        AND issued.source = findings.invoice_source
        AND issued.invoice_id = findings.invoice_id
    WHERE findings.disputed_amount <> 0 AND getvariable('rebill_disputed') = 'exclude'
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
    FROM invoices
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
    LEFT JOIN core_lines AS lines
        ON lines.network_id = amounts.network_id
        AND lines.mailbox_id = amounts.mailbox_id
        AND lines.reporting_month = amounts.reporting_month
        AND lines.account_report = amounts.account_report
        AND lines.measure_field = amounts.measure_field
    LEFT JOIN scopes
        ON scopes.network_id = amounts.network_id
        AND scopes.mailbox_id = amounts.mailbox_id
        AND scopes.reporting_month = amounts.reporting_month
        AND scopes.account_report = amounts.account_report
        AND scopes.measure_field = amounts.measure_field
    LEFT JOIN client_accounts AS own
        ON own.network_id = amounts.network_id
        AND own.mailbox_id = amounts.mailbox_id
        AND own.reporting_month = amounts.reporting_month
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
