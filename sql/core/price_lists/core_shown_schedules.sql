-- One row per price list, month, account report, measure, schedule shown on lines of that month or of the nearest ones, and its content.
-- A month's lines show only the tiers that were reached, so tiers are completed from other months of the same era. A new era begins with
-- the month in which a level shows anything else than when it was last shown, or in which a Date of the list lies. lines is 0 for a
-- schedule taken from another month (shown_month). Of several contents of a schedule, the one on more than half of its lines is in force.
-- If there is none, the contents are tied: one row each, numbered by content_no. Lines of contract_terms.csv (is_of_contract) and other
-- lines complete each other in nothing.
WITH numbers AS (
    SELECT *, terms_text(allowance, minimum, maximum, block, rate) AS terms
    FROM core_seen_schedules
),
contents AS (
    -- rows of the same numbers are one content
    SELECT * REPLACE (sum(lines) OVER (
        PARTITION BY price_list_id, reporting_month, account_report, measure_field, is_of_contract, schedule_id, terms
    )::BIGINT AS lines)
    FROM numbers
    QUALIFY row_number() OVER (
        PARTITION BY price_list_id, reporting_month, account_report, measure_field, is_of_contract, schedule_id, terms
        ORDER BY numbers.lines DESC, level, model, specified_network_id
    ) = 1
),
ranked AS (
    SELECT
        * EXCLUDE (terms),
        row_number() OVER (same_schedule ORDER BY lines DESC, rate, block, allowance, minimum, maximum) AS content_no,
        max(lines) OVER same_schedule * 2 <= sum(lines) OVER same_schedule AS is_tied
    FROM contents
    WINDOW same_schedule AS (PARTITION BY price_list_id, reporting_month, account_report, measure_field, is_of_contract, schedule_id)
),
shown AS (
    SELECT *
    FROM ranked
    WHERE is_tied OR content_no = 1
),
-- a tie is no sign of a change
levels AS (
    SELECT
        price_list_id,
        account_report,
        measure_field,
        is_of_contract,
        reporting_month,
        specified_network_id,
        level,
        string_agg(
            concat_ws('|', schedule_id, model, level, terms_text(allowance, minimum, maximum, block, rate)), ';' ORDER BY schedule_id
        ) AS content
    FROM shown
    WHERE NOT is_tied
    GROUP BY ALL
),
seen_levels AS (
    SELECT
        *,
        lag(content) OVER same_level AS former_content,
        lag(reporting_month) OVER same_level AS former_month
    FROM levels
    WINDOW same_level AS (
        PARTITION BY price_list_id, account_report, measure_field, is_of_contract, specified_network_id, level ORDER BY reporting_month
    )
),
-- the list was changed after `former_month` and no later than `reporting_month`
changes AS (
    SELECT price_list_id, account_report, measure_field, is_of_contract, former_month, reporting_month
    FROM seen_levels
    WHERE content <> former_content
    UNION
    SELECT
        price_list_id, account_report, measure_field, streams.is_of_contract, (date_trunc('month', dated) - INTERVAL 1 MONTH)::DATE,
        date_trunc('month', dated)::DATE
    FROM core_list_readings
    CROSS JOIN (VALUES (false), (true)) AS streams (is_of_contract)
    WHERE dated IS NOT NULL
),
numbered AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY price_list_id, account_report, measure_field, is_of_contract ORDER BY reporting_month, former_month
        ) AS place
    FROM changes
),
-- the fewest changes that explain all: one is new where none since its `former_month` is known yet
walked AS (
    WITH RECURSIVE steps AS (
        SELECT price_list_id, account_report, measure_field, is_of_contract, place, reporting_month AS changed_month
        FROM numbered
        WHERE place = 1
        UNION ALL
        SELECT
            numbered.price_list_id,
            numbered.account_report,
            numbered.measure_field,
            numbered.is_of_contract,
            numbered.place,
            CASE
                WHEN steps.changed_month <= numbered.former_month THEN numbered.reporting_month
                ELSE steps.changed_month
            END
        FROM steps
        INNER JOIN numbered
            ON numbered.price_list_id = steps.price_list_id
            AND numbered.account_report = steps.account_report
            AND numbered.measure_field = steps.measure_field
            AND numbered.is_of_contract = steps.is_of_contract
            AND numbered.place = steps.place + 1
    )
    SELECT DISTINCT price_list_id, account_report, measure_field, is_of_contract, changed_month FROM steps
),
eras AS (
    SELECT months.*, count(walked.changed_month) AS era
    FROM (SELECT DISTINCT price_list_id, account_report, measure_field, is_of_contract, reporting_month FROM shown) AS months
    LEFT JOIN walked
        ON walked.price_list_id = months.price_list_id
        AND walked.account_report = months.account_report
        AND walked.measure_field = months.measure_field
        AND walked.is_of_contract = months.is_of_contract
        AND walked.changed_month <= months.reporting_month
    GROUP BY ALL
),
in_eras AS (
    SELECT shown.*, eras.era
    FROM shown
    INNER JOIN eras USING (price_list_id, account_report, measure_field, is_of_contract, reporting_month)
),
lacking AS (
    SELECT eras.reporting_month AS lacking_month, in_eras.*
    FROM eras
    INNER JOIN in_eras USING (price_list_id, account_report, measure_field, is_of_contract, era)
    ANTI JOIN shown AS own
        ON own.price_list_id = eras.price_list_id
        AND own.account_report = eras.account_report
        AND own.measure_field = eras.measure_field
        AND own.is_of_contract = eras.is_of_contract
        AND own.reporting_month = eras.reporting_month
        AND own.schedule_id = in_eras.schedule_id
    QUALIFY rank() OVER (
        PARTITION BY price_list_id, account_report, measure_field, is_of_contract, lacking_month, in_eras.schedule_id
        ORDER BY abs(date_diff('month', in_eras.reporting_month, lacking_month)), in_eras.reporting_month DESC
    ) = 1
)
SELECT *, reporting_month AS shown_month
FROM shown
UNION ALL BY NAME
SELECT
    * EXCLUDE (era, lacking_month) REPLACE (lacking_month AS reporting_month, 0 AS lines),
    reporting_month AS shown_month
FROM lacking
