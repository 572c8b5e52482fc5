-- One row per charge in the form of FOCUS 1.2: a tier slice, a flat fee, an adjustment or a credit (core_charges).
-- kept as: view
-- The exporter fills in BillingCurrency, which ECGrid does not state, and casts decimals to nine places and times to UTC.
-- Columns with x_ are this project's own; names stand there as they are, and in ASCII in the columns of FOCUS.
-- BilledCost: amount that this charge adds to the invoice; the charges of a line add up to its amount
-- BillingAccountId: NetworkID, as text
-- BillingAccountName: name of the network in ASCII
-- BillingAccountType: always Network
-- BillingCurrency: null here; the exporter fills it in from ECGRID_CURRENCY, for the API states no currency
-- BillingPeriodEnd: first moment after the month billed, UTC
-- BillingPeriodStart: first moment of the month billed, UTC
-- ChargeCategory: Usage, Purchase, Credit or Adjustment
-- ChargeClass: null: no row corrects an earlier billing period
-- ChargeDescription: what the charge is for, in ASCII
-- ChargeFrequency: Usage-Based, Recurring or One-Time
-- ChargePeriodEnd: first moment after the month billed, UTC
-- ChargePeriodStart: first moment of the month billed, UTC
-- CommitmentDiscountStatus: always null: there are no commitment discounts
-- ConsumedQuantity: quantity measured that falls to this charge, in ConsumedUnit; null where no use is billed
-- ConsumedUnit: unit of the measure; null where no use is billed
-- ContractedCost: PricingQuantity times ContractedUnitPrice, before rounding; null where it has no such price
-- ContractedUnitPrice: price of one PricingUnit by the terms in force
-- EffectiveCost: same as BilledCost: nothing is amortised
-- InvoiceId: number of the contract's invoice, else provisional with contract and month
-- InvoiceIssuerName: always Loren Data, the vendor of ECGrid
-- ListCost: same as ContractedCost: no list price beside the contract's is known
-- ListUnitPrice: same as ContractedUnitPrice
-- PricingCategory: Standard where a price applies, else null
-- PricingQuantity: quantity that is priced, in PricingUnit
-- PricingUnit: unit or block that one price buys, flat fee, or line; null where no price applies
-- ProviderName: always Loren Data
-- PublisherName: always Loren Data
-- ServiceCategory: always Integration, a value of FOCUS
-- ServiceName: always ECGrid
-- ServiceSubcategory: always Other (Integration), a value of FOCUS
-- SkuId: account report and measure, joined by a colon; null where no price applies
-- SkuMeter: measure; null where no price applies
-- SkuPriceDetails: JSON: model, level, block, allowance and bounds of the price
-- SkuPriceId: price list, report, measure, level and schedule, joined by colons; null where no price applies
-- SubAccountId: MailboxID, as text; 0 is the Root mailbox
-- SubAccountName: name of the account in ASCII
-- SubAccountType: always Mailbox
-- x_AccountReport: PricelistAccountReports value of the line
-- x_BillingAccountName: name of the network as it is
-- x_ContractId: ContractID that the account had in the month
-- x_IsTaxable: Taxable flag of the line
-- x_LineDate: LineDate of the line, as sent
-- x_LineItemNumber: number that the service gave the line in its answer
-- x_MeasureField: PricelistMeasureField value of the line
-- x_Part: place of the charge among those of its line
-- x_PriceListDescription: description of the price list
-- x_Reading: reading that prices the line; null where none fits
-- x_ResponseSha256: SHA-256 of the answer's body as received
-- x_SubAccountName: name of the account as it is
-- x_Verdict: verdict on the line: fits, differs, undecided or not_provable
SELECT
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountStatus",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "ServiceCategory",
    "ServiceName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "x_AccountReport",
    "x_BillingAccountName",
    "x_ContractId",
    "x_IsTaxable",
    "x_LineDate",
    "x_LineItemNumber",
    "x_MeasureField",
    "x_Part",
    "x_PriceListDescription",
    "x_Reading",
    "x_ResponseSha256",
    "x_SubAccountName",
    "x_Verdict",
    network_id,
    mailbox_id,
    reporting_month
FROM core_focus
