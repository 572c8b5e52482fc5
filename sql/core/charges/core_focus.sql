-- One row per charge in the form of FOCUS 1.2, with its terms (core_charge_terms) behind: what the columns of FOCUS are made of.
-- kept as: view
-- The exporter fills in BillingCurrency, which ECGrid does not state, and casts decimals to nine places and times to UTC.
-- Columns with x_ are this project's own; names stand there as they are, and in ASCII in the columns of FOCUS.
SELECT
    charges.billed AS "BilledCost",
    charges.network_id::VARCHAR AS "BillingAccountId",
    coalesce(ascii_text(charges.network_name), 'Network ' || charges.network_id::VARCHAR) AS "BillingAccountName",
    'Network' AS "BillingAccountType",
    NULL::VARCHAR AS "BillingCurrency",
    (charges.reporting_month + INTERVAL 1 MONTH)::TIMESTAMP AS "BillingPeriodEnd",
    charges.reporting_month::TIMESTAMP AS "BillingPeriodStart",
    charges.category AS "ChargeCategory",
    NULL::VARCHAR AS "ChargeClass",
    ascii_text(charges.description) AS "ChargeDescription",
    CASE
        WHEN charges.line_level = 'OneTime' OR charges.category = 'Credit' THEN 'One-Time'
        WHEN charges.category = 'Usage' THEN 'Usage-Based'
        WHEN charges.category = 'Purchase' THEN 'Recurring'
        ELSE 'One-Time'
    END AS "ChargeFrequency",
    (charges.reporting_month + INTERVAL 1 MONTH)::TIMESTAMP AS "ChargePeriodEnd",
    charges.reporting_month::TIMESTAMP AS "ChargePeriodStart",
    NULL::VARCHAR AS "CommitmentDiscountStatus",
    CASE WHEN charges.category = 'Usage' THEN charges.consumed_quantity END AS "ConsumedQuantity",
    CASE WHEN charges.category = 'Usage' THEN charges.unit END AS "ConsumedUnit",
    charges.cost AS "ContractedCost",
    charges.unit_price AS "ContractedUnitPrice",
    charges.billed AS "EffectiveCost",
    coalesce(
        ascii_text(charges.invoice_number),
        concat_ws('-', 'provisional', charges.contract_id::VARCHAR, left(charges.reporting_month::VARCHAR, 7))
    ) AS "InvoiceId",
    'Loren Data' AS "InvoiceIssuerName",
    charges.cost AS "ListCost",
    charges.unit_price AS "ListUnitPrice",
    CASE WHEN charges.pricing_unit IS NOT NULL THEN 'Standard' END AS "PricingCategory",
    charges.pricing_quantity AS "PricingQuantity",
    charges.pricing_unit AS "PricingUnit",
    'Loren Data' AS "ProviderName",
    'Loren Data' AS "PublisherName",
    'Integration' AS "ServiceCategory",
    'ECGrid' AS "ServiceName",
    'Other (Integration)' AS "ServiceSubcategory",
    CASE WHEN charges.pricing_unit IS NOT NULL THEN concat_ws(':', charges.account_report, charges.measure_field) END
        AS "SkuId",
    CASE WHEN charges.pricing_unit IS NOT NULL THEN charges.measure_field END AS "SkuMeter",
    charges.price_details AS "SkuPriceDetails",
    CASE
        WHEN charges.pricing_unit IS NOT NULL
            THEN concat_ws(
                ':',
                charges.price_list_id,
                charges.account_report,
                charges.measure_field,
                charges.level,
                charges.schedule_id,
                CASE WHEN charges.pricing_unit IN ('flat fee', 'line') THEN charges.pricing_unit END
            )
    END AS "SkuPriceId",
    charges.mailbox_id::VARCHAR AS "SubAccountId",
    ascii_text(charges.account_name) AS "SubAccountName",
    'Mailbox' AS "SubAccountType",
    charges.account_report AS "x_AccountReport",
    charges.network_name AS "x_BillingAccountName",
    charges.contract_id AS "x_ContractId",
    charges.is_taxable AS "x_IsTaxable",
    charges.line_date::TIMESTAMP AS "x_LineDate",
    charges.line_item_number AS "x_LineItemNumber",
    charges.measure_field AS "x_MeasureField",
    charges.part AS "x_Part",
    charges.price_list_description AS "x_PriceListDescription",
    charges.reading_id AS "x_Reading",
    charges.response_sha256 AS "x_ResponseSha256",
    charges.account_name AS "x_SubAccountName",
    charges.verdict AS "x_Verdict",
    charges.*
FROM core_charge_terms AS charges
