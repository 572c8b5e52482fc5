-- One row per price list, month, report and measure whose tiers give some quantities two prices.
-- title: Price list has overlapping tiers
SELECT
    reporting_month,
    account_report,
    measure_field,
    price_list_id,
    concat(
        'Price list ', price_list_id, ', ', account_report, ' ', measure_field, ': ', words, '. ',
        CASE
            WHEN lines IS NULL THEN 'No line of the month is in the overlap'
            ELSE concat('Lines of the month in the overlap: ', lines, ', billed ', money_text(amount))
        END,
        '. Ask the vendor to correct the price list.'
    ) AS explanation
FROM core_ladder_faults
WHERE fault = 'tier_overlap'
