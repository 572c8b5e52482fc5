-- One row per price list, month, account report, measure and schedule as lines show it: the number of those lines.
-- Lines that show the schedule of another report or measure are left out: they are no source of terms.
SELECT
    price_list_id,
    reporting_month,
    account_report,
    measure_field,
    coalesce(schedule_specified_network_id, 0) AS specified_network_id,
    model,
    level,
    schedule_id,
    schedule_allowance AS allowance,
    schedule_minimum AS minimum,
    schedule_maximum AS maximum,
    schedule_block AS block,
    schedule_rate AS rate,
    min(price_list_description) AS price_list_description,
    min(level_name) AS level_name,
    sum(lines)::BIGINT AS lines
FROM core_line_terms
WHERE schedule_id IS NOT NULL
    AND coalesce(schedule_account_report, account_report) = account_report
    AND coalesce(schedule_measure, measure_field) = measure_field
GROUP BY ALL
