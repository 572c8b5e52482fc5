-- One row per price list, month, account report, measure and schedule that holds in that month, with its source.
-- PricelistInfo speaks for the months from its Date on. Of several readings of a list the month's own counts, else the
-- next later one, else the last before. What lines show completes it, and takes its place where
--   * the list is dated after the month (its rates of today say nothing of then), or
--   * at least 3 lines show the schedule and four in five of them show one and the same other content: then the list
--     is out of date, not the lines wrong.
-- `source` says which it was: PricelistInfo, PricelistInfo of YYYY-MM, or line_items.
WITH list_months AS (
    SELECT DISTINCT price_list_id, reporting_month AS read_month
    FROM raw_price_schedules
),
months AS (
    SELECT price_list_id, reporting_month FROM core_witnessed_schedules
    UNION
    SELECT price_list_id, read_month FROM list_months
),
sources AS (
    SELECT
        months.price_list_id,
        months.reporting_month,
        arg_min(
            list_months.read_month,
            (
                CASE WHEN list_months.read_month >= months.reporting_month THEN 0 ELSE 1 END,
                abs(date_diff('month', months.reporting_month, list_months.read_month))
            )
        ) AS read_month
    FROM months
    INNER JOIN list_months USING (price_list_id)
    GROUP BY ALL
),
listed AS (
    SELECT
        sources.price_list_id,
        sources.reporting_month,
        sources.read_month,
        schedules.schedule_account_report AS account_report,
        schedules.schedule_measure AS measure_field,
        coalesce(schedules.schedule_specified_network_id, 0) AS specified_network_id,
        schedules.model,
        schedules.level,
        schedules.schedule_id,
        schedules.schedule_allowance AS allowance,
        schedules.schedule_minimum AS minimum,
        schedules.schedule_maximum AS maximum,
        schedules.schedule_block AS block,
        schedules.schedule_rate AS rate,
        schedules.price_list_description,
        schedules.level_name,
        coalesce(schedules.limited_months, 0) AS limited_months,
        schedules.schedule_include_root_mailbox AS include_root_mailbox,
        schedules.level_number,
        schedules.schedule_number,
        coalesce(schedules.price_list_date < sources.reporting_month + INTERVAL 1 MONTH, true) AS holds
    FROM sources
    INNER JOIN raw_price_schedules AS schedules
        ON schedules.price_list_id = sources.price_list_id AND schedules.reporting_month = sources.read_month
    QUALIFY row_number() OVER (
        PARTITION BY sources.price_list_id, sources.reporting_month, account_report, measure_field, schedules.schedule_id
        ORDER BY schedules.level_number, schedules.schedule_number
    ) = 1
),
witnesses AS (
    SELECT
        seen.*,
        sum(seen.lines) OVER same_schedule AS lines_of_schedule,
        row_number() OVER (
            PARTITION BY seen.price_list_id, seen.reporting_month, seen.account_report, seen.measure_field, seen.schedule_id
            ORDER BY
                seen.lines DESC,
                (seen.rate, seen.block, seen.allowance) IS NOT DISTINCT FROM (listed.rate, listed.block, listed.allowance) DESC,
                seen.rate, seen.block, seen.allowance, seen.minimum, seen.maximum, seen.level, seen.model,
                seen.specified_network_id
        ) AS place,
        listed.schedule_id IS NOT NULL AS is_listed,
        listed.holds
    FROM core_witnessed_schedules AS seen
    LEFT JOIN listed USING (price_list_id, reporting_month, account_report, measure_field, schedule_id)
    WINDOW same_schedule AS (
        PARTITION BY seen.price_list_id, seen.reporting_month, seen.account_report, seen.measure_field, seen.schedule_id
    )
),
-- what lines show of a schedule, where they overrule the list or complete it
shown AS (
    SELECT *
    FROM witnesses
    WHERE place = 1
        AND (
            (is_listed AND (NOT holds OR (lines >= 3 AND lines * 5 >= lines_of_schedule * 4)))
            OR (
                NOT is_listed
                -- a schedule that a list in force does not know is no part of that list
                AND NOT EXISTS (
                    FROM listed
                    WHERE listed.price_list_id = witnesses.price_list_id
                        AND listed.reporting_month = witnesses.reporting_month
                        AND listed.account_report = witnesses.account_report
                        AND listed.measure_field = witnesses.measure_field
                        AND listed.holds
                )
            )
        )
),
kept AS (
    -- a list dated after the month leaves out the levels for which lines show other schedules
    SELECT *
    FROM listed
    WHERE holds
        OR NOT EXISTS (
            FROM shown
            WHERE shown.price_list_id = listed.price_list_id
                AND shown.reporting_month = listed.reporting_month
                AND shown.account_report = listed.account_report
                AND shown.measure_field = listed.measure_field
                AND shown.level = listed.level
                AND shown.schedule_id <> listed.schedule_id
        )
)
SELECT
    price_list_id,
    reporting_month,
    account_report,
    measure_field,
    schedule_id,
    coalesce(shown.specified_network_id, kept.specified_network_id) AS specified_network_id,
    coalesce(shown.model, kept.model) AS model,
    coalesce(shown.level, kept.level) AS level,
    coalesce(shown.allowance, kept.allowance) AS allowance,
    -- in 64 bits, for what comes after looks past a bound and doubles it
    CASE WHEN shown.schedule_id IS NULL THEN kept.minimum ELSE shown.minimum END::BIGINT AS minimum,
    -- the largest int is no bound, as 0 is none
    CASE coalesce(shown.maximum, kept.maximum)
        WHEN 2147483647 THEN 0
        ELSE coalesce(shown.maximum, kept.maximum)
    END::BIGINT AS maximum,
    coalesce(shown.block, kept.block) AS block,
    coalesce(shown.rate, kept.rate) AS rate,
    coalesce(kept.price_list_description, shown.price_list_description) AS price_list_description,
    coalesce(kept.level_name, shown.level_name) AS level_name,
    coalesce(kept.limited_months, 0) AS limited_months,
    coalesce(kept.include_root_mailbox, shown.include_root_mailbox) AS include_root_mailbox,
    coalesce(kept.level_number, 0) AS level_number,
    coalesce(kept.schedule_number, 0) AS schedule_number,
    CASE
        WHEN kept.schedule_id IS NULL OR (
            shown.schedule_id IS NOT NULL
            AND (shown.allowance, shown.minimum, shown.maximum, shown.block, shown.rate)
            IS DISTINCT FROM (kept.allowance, kept.minimum, kept.maximum, kept.block, kept.rate)
        ) THEN 'line_items'
        WHEN kept.read_month = kept.reporting_month THEN 'PricelistInfo'
        ELSE 'PricelistInfo of ' || strftime(kept.read_month, '%Y-%m')
    END AS source
FROM kept
FULL JOIN shown USING (price_list_id, reporting_month, account_report, measure_field, schedule_id)
