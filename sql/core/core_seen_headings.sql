-- One row per heading: what many lines have in common, the month, price list, report, measure and schedule that they show.
-- Some thousand headings stand over millions of lines: their texts are kept once, and compared once.
SELECT
    reporting_month,
    account_report,
    measure_field,
    price_list_id,
    price_list_description,
    system_object,
    level,
    level_name,
    model,
    schedule_id,
    schedule_allowance,
    schedule_minimum,
    schedule_maximum,
    schedule_block,
    schedule_rate,
    schedule_catalog_id,
    schedule_description,
    schedule_account_report,
    schedule_measure,
    schedule_specified_network_id,
    schedule_include_root_mailbox,
    api_version,
    count(*) AS lines
FROM raw_line_items
GROUP BY ALL
