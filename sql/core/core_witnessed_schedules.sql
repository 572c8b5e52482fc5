-- One row per price list, month, account report, measure and schedule that lines show, in that month or in another.
-- Where PricelistInfo never gave the schedules of a report and measure, each month's lines show only the tiers that were reached.
-- So months complete each other, for as long as no level shows anything else than it did when it was last seen: from such a month
-- on the list is another one. `lines` is 0 for a schedule taken from another month.
WITH unlisted AS (
    SELECT seen.*
    FROM core_seen_schedules AS seen
    ANTI JOIN raw_price_schedules AS listed
        ON listed.price_list_id = seen.price_list_id
        AND listed.schedule_account_report = seen.account_report
        AND listed.schedule_measure = seen.measure_field
    QUALIFY row_number() OVER (
        PARTITION BY seen.price_list_id, seen.reporting_month, seen.account_report, seen.measure_field, seen.schedule_id
        ORDER BY
            seen.lines DESC, seen.rate, seen.block, seen.allowance, seen.minimum, seen.maximum, seen.level, seen.model,
            seen.specified_network_id
    ) = 1
),
levels AS (
    SELECT
        price_list_id,
        reporting_month,
        account_report,
        measure_field,
        specified_network_id,
        level,
        string_agg(
            concat_ws('|', schedule_id, model, allowance, coalesce(minimum::VARCHAR, '-'), maximum, block, rate), ';'
            ORDER BY schedule_id
        ) AS content
    FROM unlisted
    GROUP BY ALL
),
changes AS (
    SELECT
        *,
        coalesce(
            content <> lag(content) OVER (
                PARTITION BY price_list_id, account_report, measure_field, specified_network_id, level ORDER BY reporting_month
            ),
            false
        ) AS is_changed
    FROM levels
),
months AS (
    SELECT price_list_id, account_report, measure_field, reporting_month, bool_or(is_changed)::INTEGER AS changed
    FROM changes
    GROUP BY ALL
),
eras AS (
    SELECT
        *,
        sum(changed) OVER (PARTITION BY price_list_id, account_report, measure_field ORDER BY reporting_month) AS era
    FROM months
),
shown_in_era AS (
    SELECT unlisted.*, eras.era
    FROM unlisted
    INNER JOIN eras USING (price_list_id, account_report, measure_field, reporting_month)
    QUALIFY row_number() OVER (
        PARTITION BY price_list_id, account_report, measure_field, eras.era, unlisted.schedule_id
        ORDER BY unlisted.reporting_month DESC
    ) = 1
)
SELECT *
FROM core_seen_schedules
UNION ALL BY NAME
SELECT
    shown.* EXCLUDE (era) REPLACE (eras.reporting_month AS reporting_month, 0 AS lines)
FROM eras
INNER JOIN shown_in_era AS shown USING (price_list_id, account_report, measure_field, era)
ANTI JOIN unlisted AS own
    ON own.price_list_id = eras.price_list_id
    AND own.account_report = eras.account_report
    AND own.measure_field = eras.measure_field
    AND own.reporting_month = eras.reporting_month
    AND own.schedule_id = shown.schedule_id
