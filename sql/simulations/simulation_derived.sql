-- One row per derived charge and volume: its amount after the bases moved, by the chosen interpretation, and the least and the most.
-- kept as: scratch
-- A pass: `simulation_passed` has the derived charges of the pass before, for a minimum may count a percentage. The base is the billed one
-- plus what the new terms change in its charges (`move_`), so that a charge billed wrongly stays in it as it was billed.
-- `is_unsettled` (simulation_unsettled): it has no amount, because it and a charge of its base count each other without end.
-- In `least` all charges of the base are at their least, in `most` at their most, so a total of both is one that can be billed.
WITH moves AS (
    SELECT network_id, mailbox_id, reporting_month, contract_id, line_item_number, part, volume, new_move, least_move, most_move
    FROM simulation_counted
    WHERE new_move IS NULL OR new_move <> 0 OR least_move <> 0 OR most_move <> 0
    UNION ALL
    SELECT network_id, mailbox_id, reporting_month, contract_id, line_item_number, part, volume, new_move, least_move, most_move
    FROM simulation_passed
    WHERE part IS NOT NULL AND (new_move IS NULL OR new_move <> 0 OR least_move <> 0 OR most_move <> 0)
),
charges AS (
    SELECT
        bases.*,
        volumes.volume,
        CASE bases.period WHEN 'month' THEN bases.reporting_month ELSE (bases.reporting_month - INTERVAL 1 MONTH)::DATE END AS base_month
    FROM simulation_bases AS bases
    CROSS JOIN simulation_volumes AS volumes
),
scoped AS (
    SELECT unnest(['network', 'contract']) AS scope, unnest([network_id, contract_id]) AS scope_id, *
    FROM moves
),
pairs AS (
    -- one join per scope: a condition with OR would compare every charge with every other
    SELECT charges.*, moves.new_move, moves.least_move, moves.most_move
    FROM charges
    INNER JOIN moves
        ON charges.scope = 'account'
        AND moves.network_id = charges.network_id
        AND moves.mailbox_id = charges.mailbox_id
        AND moves.reporting_month = charges.base_month
        AND moves.volume = charges.volume
    WHERE CASE charges.base_word
        WHEN 'lines_before' THEN moves.line_item_number < charges.line_item_number
        WHEN 'shown_actual' THEN true
        ELSE list_contains(charges.parts, moves.part)
    END
    -- a charge is never part of its own base
    AND NOT (
        moves.reporting_month = charges.reporting_month
        AND moves.line_item_number = charges.line_item_number
        AND moves.part IS NOT DISTINCT FROM charges.part
    )
    UNION ALL
    SELECT charges.*, moves.new_move, moves.least_move, moves.most_move
    FROM charges
    INNER JOIN scoped AS moves
        ON moves.scope = charges.scope
        AND moves.scope_id = CASE charges.scope WHEN 'network' THEN charges.network_id ELSE charges.contract_id END
        AND moves.reporting_month = charges.base_month
        AND moves.volume = charges.volume
    WHERE list_contains(charges.parts, moves.part)
    AND NOT (
        moves.network_id = charges.network_id
        AND moves.mailbox_id = charges.mailbox_id
        AND moves.reporting_month = charges.reporting_month
        AND moves.line_item_number = charges.line_item_number
        AND moves.part IS NOT DISTINCT FROM charges.part
    )
),
summed AS (
    SELECT
        network_id,
        mailbox_id,
        reporting_month,
        account_report,
        measure_field,
        reading_no,
        volume,
        sum(new_move) AS new_move,
        sum(least_move) AS least_move,
        sum(most_move) AS most_move,
        bool_or(new_move IS NULL) AS is_unknown,
        -- the sum that a line shows as its Actual cannot be followed
        bool_or(base_word = 'shown_actual') AS is_unfollowed
    FROM pairs
    GROUP BY network_id, mailbox_id, reporting_month, account_report, measure_field, reading_no, volume
),
moved AS (
    SELECT
        charges.*,
        coalesce(summed.new_move, 0) AS new_move,
        coalesce(summed.least_move, 0) AS least_move,
        coalesce(summed.most_move, 0) AS most_move,
        coalesce(summed.is_unknown, false) AS is_unknown,
        coalesce(summed.is_unfollowed, false) AS is_unfollowed,
        coalesce(passed.is_unsettled, false) AS is_unsettled,
        charges.rate IS NOT DISTINCT FROM charges.new_rate
        AND (summed.volume IS NULL OR (summed.new_move = 0 AND summed.least_move = 0 AND summed.most_move = 0 AND NOT summed.is_unknown)) AS is_unmoved
    FROM charges
    LEFT JOIN summed USING (network_id, mailbox_id, reporting_month, account_report, measure_field, reading_no, volume)
    LEFT JOIN simulation_passed AS passed
        ON passed.network_id = charges.network_id
        AND passed.mailbox_id = charges.mailbox_id
        AND passed.reporting_month = charges.reporting_month
        AND passed.account_report = charges.account_report
        AND passed.measure_field = charges.measure_field
        AND passed.volume = charges.volume
),
priced AS (
    SELECT
        *,
        CASE
            WHEN is_unsettled THEN NULL
            WHEN is_unmoved THEN reference_amount
            WHEN is_unknown OR is_unfollowed OR is_base_open THEN NULL
            ELSE try(money_line_amount(rule, new_rate, base_amount + new_move, rounding, unit, half))
        END AS new_amount,
        CASE
            WHEN is_unsettled THEN NULL
            WHEN is_unmoved THEN reference_amount
            WHEN is_unknown OR is_unfollowed OR is_base_open THEN NULL
            ELSE try(money_line_amount(rule, new_rate, base_amount + least_move, rounding, unit, half))
        END AS least_amount,
        CASE
            WHEN is_unsettled THEN NULL
            WHEN is_unmoved THEN reference_amount
            WHEN is_unknown OR is_unfollowed OR is_base_open THEN NULL
            ELSE try(money_line_amount(rule, new_rate, base_amount + most_move, rounding, unit, half))
        END AS most_amount
    FROM moved
),
merged AS (
    SELECT
        network_id,
        mailbox_id,
        reporting_month,
        account_report,
        measure_field,
        any_value(line_item_number) AS line_item_number,
        any_value(contract_id) AS contract_id,
        any_value(part) AS part,
        volume,
        any_value(reference_amount) AS reference_amount,
        any_value(rate) AS rate,
        any_value(new_rate) AS new_rate,
        any_value(base_amount) FILTER (WHERE is_chosen) AS base_amount,
        any_value(new_move) FILTER (WHERE is_chosen) AS base_move,
        bool_and(is_unmoved AND NOT is_unsettled) AS is_unmoved,
        any_value(is_unsettled) AS is_unsettled,
        any_value(new_amount) FILTER (WHERE is_chosen) AS new_amount,
        CASE WHEN bool_and(least_amount IS NOT NULL) THEN min(least_amount) END AS least_amount,
        CASE WHEN bool_and(most_amount IS NOT NULL) THEN max(most_amount) END AS most_amount,
        CASE
            WHEN bool_or(is_unsettled)
                THEN 'not_settled: derived charges of its base count each other without end; state how they are computed in pinned_readings.csv'
            WHEN bool_or(is_unknown) THEN 'base_unknown: a charge of its base has no new price'
            WHEN bool_or(is_unfollowed) THEN 'base_unknown: the sum that the line shows as its Actual cannot be followed'
            WHEN bool_or(NOT is_unmoved AND is_base_open) THEN 'base_unknown: a charge of its base is unknown'
            WHEN bool_or(new_rate IS NULL) THEN 'not_priced: the price list has no single ladder for this report and measure'
        END AS error
    FROM priced
    GROUP BY network_id, mailbox_id, reporting_month, account_report, measure_field, volume
)
SELECT
    *,
    try_cast(CASE WHEN is_unmoved THEN 0 ELSE new_amount - reference_amount END AS DECIMAL(28, 10)) AS new_move,
    try_cast(CASE WHEN is_unmoved THEN 0 ELSE least_amount - reference_amount END AS DECIMAL(28, 10)) AS least_move,
    try_cast(CASE WHEN is_unmoved THEN 0 ELSE most_amount - reference_amount END AS DECIMAL(28, 10)) AS most_move
FROM merged
