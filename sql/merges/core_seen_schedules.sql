-- One row per price list, month, account report, measure and schedule as lines show it, of all partitions.
SELECT
    price_list_id,
    reporting_month,
    account_report,
    measure_field,
    specified_network_id,
    model,
    level,
    schedule_id,
    allowance,
    minimum,
    maximum,
    block,
    rate,
    min(price_list_description) AS price_list_description,
    min(level_name) AS level_name,
    bool_or(include_root_mailbox) AS include_root_mailbox,
    sum(lines)::BIGINT AS lines
FROM core_seen_schedules
GROUP BY ALL
