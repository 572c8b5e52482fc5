-- One row per schedule in force (core_schedules): its rate ladder, and its tier within it.
-- The schedules of one report and measure form a ladder if they are of one family of levels (Tier1..Tier9, Level1..Level9, or several in
-- one level) and have bounds; a single schedule, or one without bounds among others, stands alone. Schedules of one level with the same
-- numbers are one tier, stated twice. A ladder is identified by its content,
-- not its months: months with the same content share it, except months in which the terms of one of its schedules are tied (`is_tied`),
-- whose lines are no evidence for the others. schedule_set_id is derived from that content, so it is the same in every build; set_no is
-- its number in this one. maximum is 0 if the last tier is open (is_open_end).
WITH families AS (
    SELECT
        *,
        CASE WHEN level SIMILAR TO '(Tier|Level)[0-9]+' THEN rtrim(level, '0123456789') ELSE level END AS family,
        level_place(level) AS place,
        NOT is_open_end(maximum) OR coalesce(minimum, 0) > 0 AS is_bounded
    FROM core_schedules
),
laddered AS (
    SELECT
        *,
        CASE
            WHEN bool_or(is_bounded) OVER company THEN family
            ELSE family || ' ' || schedule_id
        END AS ladder
    FROM families
    WINDOW company AS (
        PARTITION BY
            terms_contract_id, price_list_id, reporting_month, account_report, measure_field, version, specified_network_id, family
    )
),
repeated AS (
    SELECT
        *,
        min(schedule_id) OVER (
            PARTITION BY
                terms_contract_id, price_list_id, reporting_month, account_report, measure_field, version, specified_network_id,
                ladder, level, model, allowance, minimum, maximum, block, rate, flat, limited_months
        ) AS first_schedule_id
    FROM laddered
),
placed AS (
    SELECT
        *,
        dense_rank() OVER (
            PARTITION BY
                terms_contract_id, price_list_id, reporting_month, account_report, measure_field, version, specified_network_id,
                ladder
            ORDER BY
                place, coalesce(minimum, 0), CASE WHEN coalesce(maximum, 0) <= 0 THEN 2147483647 ELSE maximum END, first_schedule_id
        )::INTEGER AS tier
    FROM repeated
),
tiers AS (
    SELECT
        * REPLACE (
            CASE WHEN tier = max(tier) OVER whole_ladders AND is_open_end(maximum) THEN 0 ELSE maximum END::BIGINT AS maximum,
            bool_or(is_tied) OVER whole_ladders AS is_tied
        )
    FROM placed
    WINDOW whole_ladders AS (
        PARTITION BY
            terms_contract_id, price_list_id, reporting_month, account_report, measure_field, version, specified_network_id, ladder
    )
),
contents AS (
    SELECT
        *,
        string_agg(
            concat_ws(
                '|', model, level, plain_text(allowance), coalesce(minimum::VARCHAR, '-'), maximum, plain_text(block),
                plain_text(rate), limited_months, CASE WHEN flat <> 0 THEN plain_text(flat) END, CASE WHEN is_tied THEN 'tied' END, 'priced as ' || contract_model
            ),
            ';' ORDER BY tier
        ) FILTER (WHERE schedule_id = first_schedule_id) OVER (
            PARTITION BY
                terms_contract_id, price_list_id, reporting_month, account_report, measure_field, version, specified_network_id,
                ladder
        ) AS content
    FROM tiers
)
SELECT
    price_list_id,
    reporting_month,
    account_report,
    measure_field,
    terms_contract_id,
    version,
    schedule_id,
    dense_rank() OVER (
        ORDER BY price_list_id, account_report, measure_field, specified_network_id, content
    )::INTEGER AS set_no,
    concat_ws('-', price_list_id, account_report, measure_field, left(md5(specified_network_id || ' ' || content), 8))
        AS schedule_set_id,
    tier,
    specified_network_id,
    model,
    level,
    level_name,
    allowance,
    minimum,
    maximum,
    block,
    rate,
    flat,
    contract_model,
    limited_months,
    price_list_description,
    terms_source,
    is_firm,
    is_tied,
    witness
FROM contents
