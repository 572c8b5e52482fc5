-- One row per price list, month, report and measure whose terms differ from those of the month before: both, as text.
-- Compared are schedules known in both months, and those of one month alone where a source states the whole ladder of the other: a tier
-- that lines have not shown yet is unknown, and no change. A list read later that most lines do not show (core_schedules, `is_firm`) is
-- no evidence of a month's terms, nor are lines that show several terms equally often (`is_tied`).
WITH schedules AS (
    SELECT
        price_list_id,
        reporting_month,
        account_report,
        measure_field,
        specified_network_id,
        level,
        set_no,
        tier,
        terms_words(level, allowance, minimum, maximum, block, rate) || ' ' || model AS words,
        concat_ws('|', model, limited_months, terms_text(allowance, minimum, maximum, block, rate)) AS content,
        bool_and(terms_source <> 'shown' AND is_firm) OVER (
            PARTITION BY price_list_id, reporting_month, account_report, measure_field
        ) AS is_whole
    FROM core_tiers
    WHERE version = 1 AND terms_contract_id = 0
    QUALIFY is_firm AND NOT is_tied
),
levels AS (
    SELECT
        price_list_id,
        reporting_month,
        account_report,
        measure_field,
        specified_network_id,
        level,
        any_value(is_whole) AS is_whole,
        string_agg(content, ';' ORDER BY content) AS content
    FROM schedules
    GROUP BY ALL
),
ladders AS (
    SELECT
        price_list_id,
        reporting_month,
        account_report,
        measure_field,
        any_value(is_whole) AS is_whole,
        string_agg(words, ', ' ORDER BY specified_network_id, set_no, tier) AS words
    FROM schedules
    GROUP BY ALL
),
pairs AS (
    SELECT
        later.price_list_id,
        later.reporting_month,
        later.account_report,
        later.measure_field,
        earlier.reporting_month AS previous_month,
        later.words,
        earlier.words AS previous_words,
        later.is_whole,
        earlier.is_whole AS is_previous_whole
    FROM ladders AS later
    INNER JOIN ladders AS earlier
        ON earlier.price_list_id = later.price_list_id
        AND earlier.account_report = later.account_report
        AND earlier.measure_field = later.measure_field
        AND earlier.reporting_month = later.reporting_month - INTERVAL 1 MONTH
),
compared AS (
    SELECT
        pairs.*,
        levels.content,
        earlier.content AS previous_content
    FROM pairs
    INNER JOIN levels USING (price_list_id, reporting_month, account_report, measure_field)
    LEFT JOIN levels AS earlier
        ON earlier.price_list_id = levels.price_list_id
        AND earlier.account_report = levels.account_report
        AND earlier.measure_field = levels.measure_field
        AND earlier.specified_network_id = levels.specified_network_id
        AND earlier.level = levels.level
        AND earlier.reporting_month = pairs.previous_month
    UNION ALL BY NAME
    SELECT pairs.*, NULL AS content, levels.content AS previous_content
    FROM pairs
    INNER JOIN levels
        ON levels.price_list_id = pairs.price_list_id
        AND levels.account_report = pairs.account_report
        AND levels.measure_field = pairs.measure_field
        AND levels.reporting_month = pairs.previous_month
    ANTI JOIN levels AS later
        ON later.price_list_id = levels.price_list_id
        AND later.account_report = levels.account_report
        AND later.measure_field = levels.measure_field
        AND later.specified_network_id = levels.specified_network_id
        AND later.level = levels.level
        AND later.reporting_month = pairs.reporting_month
)
SELECT
    price_list_id,
    reporting_month,
    account_report,
    measure_field,
    any_value(words) AS words,
    any_value(previous_words) AS previous_words
FROM compared
GROUP BY price_list_id, reporting_month, account_report, measure_field
HAVING bool_or(
    content <> previous_content
    OR (content IS NULL AND is_whole)
    OR (previous_content IS NULL AND is_previous_whole)
)
