-- One row per schedule of a price list from PricelistInfo: month of the run, price list, level, schedule.
-- A ladder (the schedules of one report and measure) with a schedule that could not be read is unknown, never a shorter one: it has no
-- row. If the ladder of an unreadable schedule is unknown, all ladders of the list are.
WITH unread AS (
    SELECT DISTINCT reporting_month, price_list_id, schedule_account_report, schedule_measure
    FROM lake_price_schedules
    WHERE
        schedule_id IS NULL OR schedule_allowance IS NULL OR schedule_maximum IS NULL OR schedule_block IS NULL
        OR schedule_rate IS NULL OR schedule_account_report IS NULL OR schedule_measure IS NULL OR level IS NULL OR model IS NULL
        -- null where the service does not have them; with a text in `extra` they have a value that cannot be read
        OR coalesce(json_exists(extra, '$.Schedule.Minimum') OR json_exists(extra, '$.Schedule.SpecifiedNetworkID'), false)
        OR coalesce(json_exists(extra, '$.Level.LimitedMonths'), false)
)
SELECT *
FROM lake_price_schedules AS schedules
WHERE NOT EXISTS (
    SELECT 1
    FROM unread
    WHERE unread.reporting_month = schedules.reporting_month
        AND unread.price_list_id = schedules.price_list_id
        AND (
            unread.schedule_account_report IS NULL OR unread.schedule_measure IS NULL
            OR (
                unread.schedule_account_report = schedules.schedule_account_report
                AND unread.schedule_measure = schedules.schedule_measure
            )
        )
)
