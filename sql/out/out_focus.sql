-- One row per charge in the form of FOCUS 1.2 and 1.4: a tier slice, a flat fee, an adjustment or a credit (core_charges).
-- kept as: view
-- What an invoice asks beside its lines has rows of its own (core_invoice_charges), so that the sum of BilledCost of an InvoiceId is the
-- total that the invoice asks. The exporter fills in BillingCurrency, which ECGrid does not state, casts decimals to nine places and times
-- to UTC, and leaves out the columns of the other version. Columns with x_ are this project's own; names stand there as they are, and in
-- ASCII in the columns of FOCUS.
-- AllocatedMethodDetails: always null: ECGrid has none (FOCUS 1.4)
-- AllocatedMethodId: always null: ECGrid has none (FOCUS 1.4)
-- AllocatedResourceId: always null: ECGrid has none (FOCUS 1.4)
-- AllocatedResourceName: always null: ECGrid has none (FOCUS 1.4)
-- AllocatedTags: always null: ECGrid has none (FOCUS 1.4)
-- AvailabilityZone: always null: ECGrid has none (FOCUS 1.4)
-- BilledCost: amount that this charge adds to the invoice; the charges of a line add up to its amount
-- BillingAccountId: NetworkID, as text; contract and its number where an invoice bills no single account
-- BillingAccountName: name of the network in ASCII, or of the contract
-- BillingAccountType: Network, or Contract
-- BillingCurrency: null here; the exporter fills it in from ECGRID_CURRENCY, for the API states no currency
-- BillingPeriodEnd: first moment after the month billed, UTC
-- BillingPeriodStart: first moment of the month billed, UTC
-- CapacityReservationId: always null: ECGrid has none (FOCUS 1.4)
-- CapacityReservationStatus: always null: ECGrid has none (FOCUS 1.4)
-- ChargeCategory: Usage, Purchase, Credit, Adjustment or Tax
-- ChargeClass: null: no row corrects an earlier billing period
-- ChargeDescription: what the charge is for, in ASCII
-- ChargeFrequency: Usage-Based, Recurring or One-Time
-- ChargePeriodEnd: first moment after the month billed, UTC
-- ChargePeriodStart: first moment of the month billed, UTC
-- CommitmentDiscountCategory: always null: ECGrid has none (FOCUS 1.4)
-- CommitmentDiscountId: always null: ECGrid has none (FOCUS 1.4)
-- CommitmentDiscountName: always null: ECGrid has none (FOCUS 1.4)
-- CommitmentDiscountQuantity: always null: ECGrid has none (FOCUS 1.4)
-- CommitmentDiscountStatus: always null: there are no commitment discounts
-- CommitmentDiscountType: always null: ECGrid has none (FOCUS 1.4)
-- CommitmentDiscountUnit: always null: ECGrid has none (FOCUS 1.4)
-- CommitmentProgramEligibilityDetails: always null: ECGrid has none (FOCUS 1.4)
-- ConsumedQuantity: quantity measured that falls to this charge, in ConsumedUnit; null where no use is billed
-- ConsumedUnit: unit of the measure; null where no use is billed
-- ContractApplied: always null: ECGrid has none (FOCUS 1.4)
-- ContractedCost: PricingQuantity times ContractedUnitPrice, before rounding; null where it has no such price
-- ContractedUnitPrice: price of one PricingUnit by the terms in force
-- EffectiveCost: same as BilledCost: nothing is amortised
-- HostProviderName: always null: whose resources ECGrid uses is not stated (FOCUS 1.4)
-- InvoiceDetailId: always null: an invoice line has no identifier (FOCUS 1.4)
-- InvoiceId: number of the invoice that bills it, else of the newest of the contract, else provisional with contract and month
-- InvoiceIssuerName: always Loren Data, the vendor of ECGrid
-- ListCost: same as ContractedCost: no list price beside the contract's is known
-- ListUnitPrice: same as ContractedUnitPrice
-- PricingCategory: Standard where a price applies, else null
-- PricingCurrency: null here; the exporter fills in the currency of the invoice (FOCUS 1.4)
-- PricingCurrencyContractedUnitPrice: same as ContractedUnitPrice (FOCUS 1.4)
-- PricingCurrencyEffectiveCost: same as EffectiveCost (FOCUS 1.4)
-- PricingCurrencyListUnitPrice: same as ListUnitPrice (FOCUS 1.4)
-- PricingQuantity: quantity that is priced, in PricingUnit
-- PricingUnit: unit or block that one price buys, flat fee, or line; null where no price applies
-- ProviderName: always Loren Data (FOCUS 1.2)
-- PublisherName: always Loren Data (FOCUS 1.2)
-- RegionId: always null: ECGrid has none (FOCUS 1.4)
-- RegionName: always null: ECGrid has none (FOCUS 1.4)
-- ResourceId: always null: ECGrid has none (FOCUS 1.4)
-- ResourceName: always null: ECGrid has none (FOCUS 1.4)
-- ResourceType: always null: ECGrid has none (FOCUS 1.4)
-- ServiceCategory: always Integration, a value of FOCUS
-- ServiceName: always ECGrid
-- ServiceProviderName: always Loren Data (FOCUS 1.4)
-- ServiceSubcategory: always Other (Integration), a value of FOCUS
-- SkuId: account report and measure, joined by a colon; null where no price applies
-- SkuMeter: measure; null where no price applies
-- SkuPriceDetails: JSON: model, level, block, allowance and bounds of the price
-- SkuPriceId: price list, report, measure, level and schedule, joined by colons; null where no price applies
-- SubAccountId: MailboxID, as text; 0 is the Root mailbox; null where an invoice bills no single account
-- SubAccountName: name of the account in ASCII
-- SubAccountType: Mailbox; null without a SubAccountId
-- Tags: always null: ECGrid has none (FOCUS 1.4)
-- x_AccountReport: PricelistAccountReports value of the line
-- x_BillingAccountName: name of the network as it is
-- x_ContractId: ContractID that the account had in the month
-- x_InvoiceCharge: why an invoice asks it beside its lines: status of the tie-out line, or rest; null for a charge of a line
-- x_IsTaxable: Taxable flag of the line
-- x_LineDate: LineDate of the line, as sent
-- x_LineItemNumber: number that the service gave the line in its answer
-- x_MeasureField: PricelistMeasureField value of the line
-- x_Part: place of the charge among those of its line, or of its key on the invoice
-- x_PriceListDescription: description of the price list
-- x_Reading: reading that prices the line, as words joined by dots; null where none fits
-- x_ReadingWords: the same as a sentence
-- x_ResponseSha256: SHA-256 of the answer's body as received
-- x_SubAccountName: name of the account as it is
-- x_Verdict: verdict on the line: fits, differs, undecided or not_provable
WITH charges AS (
    SELECT * FROM core_focus
    UNION ALL BY NAME
    SELECT * FROM core_invoice_focus
)
SELECT
    "AllocatedMethodDetails",
    "AllocatedMethodId",
    "AllocatedResourceId",
    "AllocatedResourceName",
    "AllocatedTags",
    "AvailabilityZone",
    "BilledCost",
    "BillingAccountId",
    "BillingAccountName",
    "BillingAccountType",
    "BillingCurrency",
    "BillingPeriodEnd",
    "BillingPeriodStart",
    "CapacityReservationId",
    "CapacityReservationStatus",
    "ChargeCategory",
    "ChargeClass",
    "ChargeDescription",
    "ChargeFrequency",
    "ChargePeriodEnd",
    "ChargePeriodStart",
    "CommitmentDiscountCategory",
    "CommitmentDiscountId",
    "CommitmentDiscountName",
    "CommitmentDiscountQuantity",
    "CommitmentDiscountStatus",
    "CommitmentDiscountType",
    "CommitmentDiscountUnit",
    "CommitmentProgramEligibilityDetails",
    "ConsumedQuantity",
    "ConsumedUnit",
    "ContractApplied",
    "ContractedCost",
    "ContractedUnitPrice",
    "EffectiveCost",
    "HostProviderName",
    "InvoiceDetailId",
    "InvoiceId",
    "InvoiceIssuerName",
    "ListCost",
    "ListUnitPrice",
    "PricingCategory",
    "PricingCurrency",
    "PricingCurrencyContractedUnitPrice",
    "PricingCurrencyEffectiveCost",
    "PricingCurrencyListUnitPrice",
    "PricingQuantity",
    "PricingUnit",
    "ProviderName",
    "PublisherName",
    "RegionId",
    "RegionName",
    "ResourceId",
    "ResourceName",
    "ResourceType",
    "ServiceCategory",
    "ServiceName",
    "ServiceProviderName",
    "ServiceSubcategory",
    "SkuId",
    "SkuMeter",
    "SkuPriceDetails",
    "SkuPriceId",
    "SubAccountId",
    "SubAccountName",
    "SubAccountType",
    "Tags",
    "x_AccountReport",
    "x_BillingAccountName",
    "x_ContractId",
    "x_InvoiceCharge",
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
    "x_ReadingWords",
    network_id,
    mailbox_id,
    reporting_month
FROM charges
