-- One row per price list, month, account report, measure and PricelistInfo response that states their terms for that month.
-- A list states nothing about months before its Date. Of the other responses, for a month that ends at E:
--     1. the last one before E. A later one replaces it if its Date is after that response and before the month: then the
--        list itself states the day of the change.
--     2. without one, the first of the following month.
--     3. without either, the first one later, if its Date is before the month: terms_source stated_later, a weaker source.
-- A Date inside the month admits the terms before it and after it: a row each (version 1 is the newest). So do several Dates inside the
-- month, and a Date on the month's first day that only a response of the following month states, if a response from after that day has other terms: then version
-- 1 is the earlier response. A Date that was moved back to before the month states no day: the earlier response counts.
-- changed_at: the response of the following month with other terms than those in force. is_admitting_earlier: the terms before a Date
-- inside the month are in no response, only on lines of earlier months.
WITH readings AS (
    SELECT
        price_list_id,
        account_report,
        measure_field,
        read_at,
        any_value(dated) AS dated,
        string_agg(
            concat_ws('|', schedule_id, specified_network_id, model, level, terms_text(allowance, minimum, maximum, block, rate)),
            ';' ORDER BY schedule_id
        ) AS content
    FROM core_list_readings
    GROUP BY ALL
),
months AS (
    SELECT price_list_id, reporting_month FROM core_seen_schedules
    UNION
    SELECT price_list_id, reporting_month FROM raw_price_schedules
),
-- the answers that may say something of the month; a Date on its first day holds for all of it
timed AS (
    SELECT
        *,
        CASE
            WHEN read_at < reporting_month + INTERVAL 1 MONTH THEN 'before'
            WHEN read_at < reporting_month + INTERVAL 2 MONTH THEN 'following'
            ELSE 'later'
        END AS place,
        coalesce(date_trunc('day', dated) > reporting_month, false) AS is_dated_inside
    FROM months
    INNER JOIN readings USING (price_list_id)
    WHERE coalesce(dated < reporting_month + INTERVAL 1 MONTH, true)
),
earlier AS (
    SELECT price_list_id, reporting_month, account_report, measure_field, read_at, dated, content
    FROM timed
    WHERE place = 'before' AND NOT is_dated_inside
    QUALIFY row_number() OVER (
        PARTITION BY price_list_id, reporting_month, account_report, measure_field ORDER BY read_at DESC
    ) = 1
),
last_before AS (
    -- as `earlier`, also of a Date inside the month
    SELECT price_list_id, reporting_month, account_report, measure_field, read_at, content
    FROM timed
    WHERE place = 'before'
    QUALIFY row_number() OVER (
        PARTITION BY price_list_id, reporting_month, account_report, measure_field ORDER BY read_at DESC
    ) = 1
),
found AS (
    SELECT
        timed.price_list_id,
        timed.reporting_month,
        timed.account_report,
        timed.measure_field,
        any_value(earlier.read_at) AS earlier_at,
        -- changed after the earlier answer, by its own Date
        min(timed.read_at) FILTER (
            WHERE timed.place <> 'before' AND NOT timed.is_dated_inside AND timed.dated > earlier.read_at
        ) AS replacing_at,
        min(timed.read_at) FILTER (WHERE timed.place = 'following' AND NOT timed.is_dated_inside) AS following_at,
        min(timed.read_at) FILTER (WHERE timed.place = 'later' AND NOT timed.is_dated_inside) AS later_at,
        -- the first answer of the following month that has other terms than the last before it, though its Date is not after that
        min(timed.read_at) FILTER (
            WHERE timed.place = 'following' AND NOT timed.is_dated_inside
            AND timed.content <> last_before.content
            AND coalesce(timed.dated <= last_before.read_at, true)
        ) AS changed_at,
        min(timed.read_at) FILTER (
            WHERE timed.place = 'following' AND NOT timed.is_dated_inside
            AND timed.content <> earlier.content
            AND timed.dated <= earlier.read_at
            AND date_trunc('day', timed.dated) = timed.reporting_month
            AND timed.dated > coalesce(earlier.dated, '-infinity')
        ) AS moved_back_at
    FROM timed
    LEFT JOIN earlier USING (price_list_id, reporting_month, account_report, measure_field)
    LEFT JOIN last_before USING (price_list_id, reporting_month, account_report, measure_field)
    GROUP BY ALL
),
insides AS (
    -- one response per Date inside the month. Of those before the month's end, a later one replaces all whose Date is not before its own;
    -- after that, only a Date after those of all earlier responses is another change
    SELECT price_list_id, reporting_month, account_report, measure_field, list(read_at ORDER BY dated DESC) AS read_ats
    FROM (
        SELECT timed.*
        FROM timed
        INNER JOIN found USING (price_list_id, reporting_month, account_report, measure_field)
        WHERE timed.is_dated_inside
            AND CASE timed.place
                WHEN 'before' THEN timed.read_at > coalesce(found.earlier_at, '-infinity')
                WHEN 'following' THEN found.earlier_at IS NOT NULL OR timed.read_at < coalesce(found.following_at, 'infinity')
                ELSE timed.dated > found.earlier_at
            END
        WINDOW same_list AS (PARTITION BY price_list_id, reporting_month, account_report, measure_field ORDER BY timed.read_at)
        QUALIFY CASE
            WHEN timed.place = 'before'
                THEN coalesce(timed.dated < min(timed.dated) FILTER (WHERE timed.place = 'before') OVER (
                    same_list ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING
                ), true)
            ELSE coalesce(timed.dated > max(timed.dated) OVER (same_list ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), true)
        END
    )
    GROUP BY ALL
),
chosen AS (
    SELECT
        found.*,
        insides.read_ats IS NOT NULL AS has_inside,
        CASE
            WHEN earlier_at IS NOT NULL THEN coalesce(insides.read_ats, []) || [
                coalesce(replacing_at, earlier_at),
                CASE WHEN insides.read_ats IS NULL AND replacing_at IS NULL THEN moved_back_at END
            ]
            ELSE coalesce(insides.read_ats, [coalesce(following_at, later_at)])
        END AS read_ats
    FROM found
    LEFT JOIN insides USING (price_list_id, reporting_month, account_report, measure_field)
)
SELECT
    price_list_id,
    reporting_month,
    account_report,
    measure_field,
    versions.version::INTEGER AS version,
    versions.read_at,
    CASE WHEN versions.read_at < reporting_month + INTERVAL 2 MONTH THEN 'stated' ELSE 'stated_later' END AS terms_source,
    CASE WHEN replacing_at IS NULL THEN changed_at END AS changed_at,
    earlier_at IS NULL AND NOT has_inside AND versions.read_at = following_at AS is_first_seen_after,
    earlier_at IS NULL AND has_inside AND versions.version = len(read_ats) AS is_admitting_earlier
FROM chosen, unnest(read_ats) WITH ORDINALITY AS versions (read_at, version)
WHERE versions.read_at IS NOT NULL
