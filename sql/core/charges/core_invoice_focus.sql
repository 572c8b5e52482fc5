-- One row per charge of core_invoice_charges in the form of FOCUS: what an invoice asks beside its lines.
-- kept as: view
-- Without an account the contract stands for the billing account. Columns of core_focus that are not named are null in out_focus.
SELECT
    charges.amount AS "BilledCost",
    coalesce(charges.network_id::VARCHAR, 'contract-' || charges.contract_id::VARCHAR) AS "BillingAccountId",
    CASE
        WHEN charges.network_id IS NULL THEN 'Contract ' || charges.contract_id::VARCHAR
        ELSE coalesce(ascii_text(networks.account_name), 'Network ' || charges.network_id::VARCHAR)
    END AS "BillingAccountName",
    CASE WHEN charges.network_id IS NULL THEN 'Contract' ELSE 'Network' END AS "BillingAccountType",
    (charges.reporting_month + INTERVAL 1 MONTH)::TIMESTAMP AS "BillingPeriodEnd",
    charges.reporting_month::TIMESTAMP AS "BillingPeriodStart",
    CASE
        WHEN charges.line_kind = 'tax' THEN 'Tax'
        WHEN charges.kind = 'invoice_only' AND charges.amount < 0 THEN 'Credit'
        ELSE 'Adjustment'
    END AS "ChargeCategory",
    CASE charges.kind
        WHEN 'invoice_only' THEN coalesce(ascii_text(charges.line_description), 'Charge on the invoice alone')
        WHEN 'not_asked' THEN charges.measure_field || ' on the invoice, without a line'
        WHEN 'not_on_invoice' THEN charges.measure_field || ' not on the invoice'
        WHEN 'copy' THEN charges.measure_field || ' once more on the invoice'
        WHEN 'other_contract' THEN charges.measure_field || ' of an account of another contract'
        WHEN 'rest' THEN concat('Invoice total ', CASE WHEN charges.amount > 0 THEN 'above' ELSE 'below' END, ' its lines')
        ELSE concat_ws(' ', charges.measure_field, 'invoiced', CASE WHEN charges.amount > 0 THEN 'above' ELSE 'below' END, 'its line')
    END AS "ChargeDescription",
    'One-Time' AS "ChargeFrequency",
    (charges.reporting_month + INTERVAL 1 MONTH)::TIMESTAMP AS "ChargePeriodEnd",
    charges.reporting_month::TIMESTAMP AS "ChargePeriodStart",
    charges.amount AS "ContractedCost",
    charges.amount AS "EffectiveCost",
    focus_invoice(charges.invoice_number, charges.contract_id, charges.reporting_month) AS "InvoiceId",
    'Loren Data' AS "InvoiceIssuerName",
    charges.amount AS "ListCost",
    charges.amount AS "PricingCurrencyEffectiveCost",
    'Loren Data' AS "ProviderName",
    'Loren Data' AS "PublisherName",
    'Integration' AS "ServiceCategory",
    'ECGrid' AS "ServiceName",
    'Loren Data' AS "ServiceProviderName",
    'Other (Integration)' AS "ServiceSubcategory",
    charges.mailbox_id::VARCHAR AS "SubAccountId",
    ascii_text(accounts.account_name) AS "SubAccountName",
    CASE WHEN charges.mailbox_id IS NOT NULL THEN 'Mailbox' END AS "SubAccountType",
    charges.account_report AS "x_AccountReport",
    networks.account_name AS "x_BillingAccountName",
    charges.contract_id AS "x_ContractId",
    charges.kind AS "x_InvoiceCharge",
    charges.measure_field AS "x_MeasureField",
    row_number() OVER (
        PARTITION BY
            charges.contract_id, charges.reporting_month, charges.invoice_number, charges.network_id, charges.mailbox_id,
            charges.account_report, charges.measure_field
        ORDER BY charges.kind, charges.line_description, charges.amount
    )::INTEGER AS "x_Part",
    accounts.account_name AS "x_SubAccountName",
    charges.network_id,
    charges.mailbox_id,
    charges.reporting_month
FROM core_invoice_charges AS charges
LEFT JOIN core_accounts AS networks ON networks.network_id = charges.network_id AND networks.mailbox_id = 0
LEFT JOIN core_accounts AS accounts ON accounts.network_id = charges.network_id AND accounts.mailbox_id = charges.mailbox_id
