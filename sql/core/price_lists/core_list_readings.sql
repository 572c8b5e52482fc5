-- One row per price list, PricelistInfo response and schedule: what the list stated when it was read.
-- read_at: when the response was received, whatever month it was requested for. dated: the list's own Date; null if not stated.
WITH answers AS (
    SELECT * FROM raw_price_schedules
    UNION ALL BY NAME
    SELECT * EXCLUDE (superseded_at) FROM raw_price_schedule_history
)
SELECT
    price_list_id,
    schedule_account_report AS account_report,
    schedule_measure AS measure_field,
    pulled_at::TIMESTAMP AS read_at,
    price_list_date::TIMESTAMP AS dated,
    coalesce(schedule_specified_network_id, 0) AS specified_network_id,
    model,
    level,
    schedule_id,
    schedule_allowance AS allowance,
    schedule_minimum AS minimum,
    schedule_maximum AS maximum,
    schedule_block AS block,
    schedule_rate AS rate,
    price_list_description,
    level_name,
    coalesce(limited_months, 0) AS limited_months
FROM answers
QUALIFY row_number() OVER (
    PARTITION BY price_list_id, pulled_at, schedule_account_report, schedule_measure, schedule_id
    ORDER BY reporting_month, level_number, schedule_number
) = 1
