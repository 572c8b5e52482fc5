-- One row per key of accrual_projections: the rate ladder that prices it in the month.
-- kept as: scratch
-- That of the line it is projected from, or where the price list's terms of the month are another ladder that lines have shown how to read,
-- that one. Derived charges keep their ladder.
WITH of_month AS (
    SELECT price_list_id, account_report, measure_field, specified_network_id, any_value(set_no) AS set_no
    FROM core_tiers
    WHERE reporting_month = getvariable('month')::DATE AND version = 1 AND terms_contract_id = 0
    GROUP BY price_list_id, account_report, measure_field, specified_network_id
    HAVING count(DISTINCT set_no) = 1
)
SELECT
    keys.network_id,
    keys.mailbox_id,
    keys.account_report,
    keys.measure_field,
    coalesce(of_month.set_no, keys.set_no) AS set_no
FROM accrual_keys AS keys
LEFT JOIN core_sets AS sets USING (set_no)
LEFT JOIN of_month
    ON keys.kind NOT IN ('percentage', 'subtotal', 'minimum')
    AND keys.base_method NOT LIKE 'recalculated line%'
    AND of_month.price_list_id = sets.price_list_id
    AND of_month.account_report = sets.account_report
    AND of_month.measure_field = sets.measure_field
    AND of_month.specified_network_id = sets.specified_network_id
    AND of_month.set_no IN (SELECT set_no FROM core_chosen_readings WHERE verdict <> 'none_fits')
