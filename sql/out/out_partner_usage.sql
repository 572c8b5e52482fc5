-- One row per line of traffic, trading partner and direction, where statistics name partners, and per line what they do not cover.
-- kept as: view
-- The cost of a line is shared by the quantity of its measure: interchanges, or KCs of 1,000 bytes; in the directions that the measure
-- counts, without duplicates and canceled ones, and without what the partner or nobody pays where states are known. Shares are cut to
-- cents one after the other, so they and the rest add up to the line.
-- partner: trading partner as the statistics name it; null: the rest of the line, which the statistics of partners do not cover
-- direction: in, out or both, from the account's side; null on the row of the rest
-- interchanges: number of interchanges with the partner; null: not stated
-- kc: KCs of 1,000 bytes exchanged with the partner; null: not stated
-- quantity: what the line's cost is shared by, in units of the measure
-- cost: share of the line's amount; all rows of a line add up to its amount
-- rule: how the share follows, in words
WITH sums AS (
    SELECT
        network_id,
        mailbox_id,
        reporting_month,
        account_report,
        partner,
        direction,
        source_rank,
        sum(counted) FILTER (WHERE statistic = 'interchanges') AS interchanges,
        coalesce(sum(counted) FILTER (WHERE unit = 'KC'), sum(counted * 0.001) FILTER (WHERE statistic = 'bytes')) AS kc,
        sum(paid) FILTER (WHERE statistic = 'interchanges') AS paid_interchanges,
        coalesce(sum(paid) FILTER (WHERE unit = 'KC'), sum(paid * 0.001) FILTER (WHERE statistic = 'bytes')) AS paid_kc,
        bool_or(quantity IS NULL) AS is_unread
    FROM (
        SELECT
            *,
            CASE WHEN state = 'uncounted' THEN 0 ELSE quantity END AS counted,
            CASE
                WHEN state IN ('uncounted', 'free') OR (state = 'sender' AND direction = 'in') OR (state = 'receiver' AND direction = 'out')
                    THEN 0
                ELSE quantity
            END AS paid
        FROM core_statistics
        WHERE partner IS NOT NULL
    )
    GROUP BY ALL
),
partners AS (
    FROM sums
    QUALIFY source_rank = min(source_rank) OVER (PARTITION BY network_id, mailbox_id, reporting_month, account_report)
        AND NOT bool_or(is_unread) OVER (PARTITION BY network_id, mailbox_id, reporting_month, account_report)
),
weighed AS (
    SELECT
        lines.network_id,
        lines.mailbox_id,
        lines.reporting_month,
        lines.account_report,
        lines.measure_field,
        lines.price_list_id,
        lines.actual,
        lines.amount,
        partners.partner,
        partners.direction,
        partners.interchanges,
        partners.kc,
        coalesce(
            try_cast(
                CASE WHEN lines.measure_field LIKE '%Trans' THEN partners.paid_interchanges ELSE partners.paid_kc END AS DECIMAL(28, 10)
            ),
            0
        )
            AS quantity
    FROM core_lines AS lines
    INNER JOIN partners
        ON partners.network_id = lines.network_id
        AND partners.mailbox_id = lines.mailbox_id
        AND partners.reporting_month = lines.reporting_month
        AND coalesce(partners.account_report, 'TrafficAll') = lines.account_report
        AND (
            partners.direction = 'both'
            OR lines.measure_field LIKE 'Total%'
            OR (partners.direction = 'in') = (lines.measure_field NOT LIKE 'From%')
        )
    WHERE lines.measure_field SIMILAR TO '(Total|To|From)(KCs|Trans)'
),
shared AS (
    SELECT
        *,
        greatest(actual, sum(quantity) OVER line) AS whole,
        sum(quantity) OVER line AS covered,
        sum(quantity) OVER (line ORDER BY partner, direction) AS upto
    FROM weighed
    WINDOW line AS (PARTITION BY network_id, mailbox_id, reporting_month, account_report, measure_field)
),
cut AS (
    SELECT
        *,
        -- an amount too large to be shared stays with the rest of its line
        coalesce(
            CASE
                WHEN whole > 0
                    THEN try_cast(
                        round(try(per_block_amount(upto::DECIMAL(28, 10), whole::DECIMAL(28, 10), amount)), 2) AS DECIMAL(28, 10)
                    )
            END,
            0
        )::DECIMAL(28, 10) AS cost_upto
    FROM shared
)
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    price_list_id,
    partner,
    direction,
    interchanges,
    kc,
    quantity,
    (cost_upto - lag(cost_upto, 1, 0) OVER (line ORDER BY partner, direction))::DECIMAL(38, 10) AS cost,
    concat(
        money_text(amount), ' of the line, by ', grouped_text(quantity), ' of ', grouped_text(whole), ' ',
        CASE WHEN measure_field LIKE '%Trans' THEN 'interchanges' ELSE 'KCs' END
    ) AS rule
FROM cut
WINDOW line AS (PARTITION BY network_id, mailbox_id, reporting_month, account_report, measure_field)
UNION ALL BY NAME
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    any_value(price_list_id) AS price_list_id,
    (any_value(whole) - any_value(covered))::DECIMAL(38, 10) AS quantity,
    (any_value(amount)::DECIMAL(38, 10) - arg_max(cost_upto, upto))::DECIMAL(38, 10) AS cost,
    'the rest of the line, which the statistics of partners do not cover' AS rule
FROM cut
GROUP BY network_id, mailbox_id, reporting_month, account_report, measure_field
HAVING any_value(whole) > any_value(covered) OR any_value(amount) <> arg_max(cost_upto, upto)
