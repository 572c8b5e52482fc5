-- One row per rate ladder and tier. The schedule's id and the source (`terms_source`) are those of its latest month; of a
-- tier that is stated twice, the lower id.
SELECT
    set_no,
    tier,
    any_value(schedule_set_id) AS schedule_set_id,
    any_value(price_list_id) AS price_list_id,
    arg_max(schedule_id, (reporting_month, -schedule_id)) AS schedule_id,
    any_value(level) AS level,
    arg_max(level_name, (reporting_month, -schedule_id)) AS level_name,
    any_value(allowance) AS allowance,
    any_value(minimum) AS minimum,
    any_value(maximum) AS maximum,
    any_value(block) AS block,
    any_value(rate) AS rate,
    any_value(limited_months) AS limited_months,
    any_value(flat) AS flat,
    arg_max(
        terms_source,
        (reporting_month, CASE terms_source WHEN 'contract' THEN 4 WHEN 'stated' THEN 3 WHEN 'stated_later' THEN 2 ELSE 1 END)
    ) AS terms_source
FROM core_tiers
GROUP BY set_no, tier
