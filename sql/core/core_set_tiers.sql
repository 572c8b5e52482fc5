-- One row per schedule set and tier. The schedule's id is that of its latest month.
SELECT
    set_no,
    tier,
    any_value(schedule_set_id) AS schedule_set_id,
    any_value(price_list_id) AS price_list_id,
    arg_max(schedule_id, reporting_month) AS schedule_id,
    any_value(level) AS level,
    arg_max(level_name, reporting_month) AS level_name,
    any_value(allowance) AS allowance,
    any_value(minimum) AS minimum,
    any_value(maximum) AS maximum,
    any_value(block) AS block,
    any_value(rate) AS rate,
    any_value(limited_months) AS limited_months,
    arg_max(source, reporting_month) AS source
FROM core_tiers
GROUP BY set_no, tier
