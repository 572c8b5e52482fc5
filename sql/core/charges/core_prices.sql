-- One row per price list, month, account report, measure and schedule: the terms of the price for FOCUS (SkuPriceDetails).
-- kept as: view
SELECT
    price_list_id,
    reporting_month,
    account_report,
    measure_field,
    schedule_id,
    price_details(model, level, block, allowance, minimum, maximum) AS details
FROM core_tiers
WHERE terms_contract_id = 0 AND version = 1
