-- One row per account, month, account report (null: all traffic), statistic, unit, scope and direction: the quantity by the statistics.
-- per: whole, read by account and month
-- Rows of one response add up (a row may be a day, or a partner). Of several responses the one that states the month as a whole counts, and
-- of these the one requested for the fewest accounts. A sum of which one value cannot be read is not known: it has no row.
-- `scope`: all; and where states are known, counted (without duplicates and canceled ones), charged (counted, and to be paid by the
-- account) and doubled (charged, with duplicates and canceled ones).
-- `parcels`: number of parcels behind it; of interchanges where no parcels are stated. `gap_days`: days without a row, though the same
-- weekday has rows in three other weeks and a third of an average day; at most three, unless the month's own sum exceeds its days. A gap is no zero: each such day
-- may hold half the account's smallest day to twice its largest, together `gap_least` to `gap_most`.
WITH scoped AS (
    SELECT
        statistics.*,
        scopes.name AS scope,
        CASE
            WHEN scopes.name = 'all' THEN quantity
            WHEN state = 'uncounted' THEN CASE WHEN scopes.name = 'doubled' THEN quantity ELSE 0 END
            WHEN scopes.name = 'counted' THEN quantity
            WHEN state = 'free' OR (state = 'sender' AND direction = 'in') OR (state = 'receiver' AND direction = 'out') THEN 0
            ELSE quantity
        END AS scope_quantity
    FROM core_statistics AS statistics
    INNER JOIN (VALUES ('all'), ('counted'), ('charged'), ('doubled')) AS scopes (name) ON scopes.name = 'all' OR statistics.has_state
    WHERE statistics.statistic IS NOT NULL
),
sums AS (
    SELECT
        network_id,
        mailbox_id,
        reporting_month,
        account_report,
        statistic,
        unit,
        scope,
        source,
        source_rank,
        asked_mailbox_id >= 0 AS is_own,
        asked_for,
        table_name,
        direction,
        bool_or(is_by_row) AS is_by_row,
        CASE WHEN count(*) = count(scope_quantity) THEN try_cast(sum(scope_quantity) AS DECIMAL(28, 10)) END AS quantity,
        min(scope_quantity) AS smallest,
        max(scope_quantity) AS largest
    FROM scoped
    GROUP BY ALL
),
-- one row with in, out and both
responses AS (
    SELECT
        * EXCLUDE (direction, is_by_row, quantity, smallest, largest),
        coalesce(any_value(quantity) FILTER (WHERE direction = 'in'), CASE WHEN bool_or(is_by_row) AND count(*) = count(quantity) THEN 0 END)
            AS quantity_in,
        coalesce(any_value(quantity) FILTER (WHERE direction = 'out'), CASE WHEN bool_or(is_by_row) AND count(*) = count(quantity) THEN 0 END)
            AS quantity_out,
        any_value(quantity) FILTER (WHERE direction = 'both') AS quantity_both,
        min(smallest) FILTER (WHERE direction = 'in') AS smallest_in,
        min(smallest) FILTER (WHERE direction = 'out') AS smallest_out,
        min(smallest) FILTER (WHERE direction = 'both') AS smallest_both,
        max(largest) FILTER (WHERE direction = 'in') AS largest_in,
        max(largest) FILTER (WHERE direction = 'out') AS largest_out,
        max(largest) FILTER (WHERE direction = 'both') AS largest_both
    FROM sums
    GROUP BY ALL
),
directions AS (
    SELECT
        responses.* EXCLUDE (
            quantity_in, quantity_out, quantity_both, smallest_in, smallest_out, smallest_both, largest_in, largest_out, largest_both
        ),
        sides.direction,
        CASE sides.direction
            WHEN 'in' THEN quantity_in
            WHEN 'out' THEN quantity_out
            ELSE coalesce(quantity_both, try_cast(quantity_in + quantity_out AS DECIMAL(28, 10)))
        END AS quantity,
        CASE sides.direction
            WHEN 'in' THEN smallest_in
            WHEN 'out' THEN smallest_out
            ELSE coalesce(smallest_both, 0) + coalesce(smallest_in, 0) + coalesce(smallest_out, 0)
        END AS smallest,
        CASE sides.direction
            WHEN 'in' THEN largest_in
            WHEN 'out' THEN largest_out
            ELSE coalesce(largest_both, 0) + coalesce(largest_in, 0) + coalesce(largest_out, 0)
        END AS largest
    FROM responses
    CROSS JOIN (VALUES ('in'), ('out'), ('both')) AS sides (direction)
),
weekdays AS (
    SELECT
        network_id,
        mailbox_id,
        reporting_month,
        source,
        isodow(day) AS weekday,
        list(DISTINCT day) AS days,
        count(DISTINCT day) AS number,
        sum(quantity)::HUGEINT AS volume
    FROM core_statistics
    WHERE day IS NOT NULL AND NOT is_interchange
    GROUP BY ALL
),
gaps AS (
    SELECT
        network_id,
        mailbox_id,
        reporting_month,
        source,
        flatten(list(list_filter(
            list_transform(range(reporting_month, reporting_month + INTERVAL 1 MONTH, INTERVAL 1 DAY), lambda moment: moment::DATE),
            lambda one: isodow(one) = weekday AND NOT list_contains(days, one)
        ))) AS gap_days
    FROM (
        SELECT *, sum(number) OVER account AS all_days, sum(volume) OVER account AS whole
        FROM weekdays
        WINDOW account AS (PARTITION BY network_id, mailbox_id, reporting_month, source)
    )
    -- a weekday with less than a third of the average is no working day
    WHERE number >= 3 AND all_days > 7 AND volume * all_days * 3 >= whole * number
    GROUP BY network_id, mailbox_id, reporting_month, source
),
parcels AS (
    SELECT
        network_id,
        mailbox_id,
        reporting_month,
        account_report,
        direction,
        arg_min(quantity, (CASE statistic WHEN 'parcels' THEN 0 ELSE 1 END, source_rank)) AS parcels
    FROM directions
    WHERE unit = 'count' AND scope = 'all' AND quantity IS NOT NULL
    GROUP BY ALL
)
SELECT
    usage.network_id,
    usage.mailbox_id,
    usage.reporting_month,
    usage.account_report,
    usage.statistic,
    usage.unit,
    usage.scope,
    usage.direction,
    usage.source,
    usage.quantity,
    parcels.parcels,
    daily.gap_days,
    try_cast(len(daily.gap_days) * daily.smallest * 0.5 AS DECIMAL(28, 10)) AS gap_least,
    try_cast(len(daily.gap_days) * daily.largest * 2 AS DECIMAL(28, 10)) AS gap_most
FROM directions AS usage
LEFT JOIN parcels
    ON parcels.network_id = usage.network_id
    AND parcels.mailbox_id = usage.mailbox_id
    AND parcels.reporting_month = usage.reporting_month
    AND parcels.account_report IS NOT DISTINCT FROM usage.account_report
    AND parcels.direction = usage.direction
LEFT JOIN (
    SELECT directions.*, gaps.gap_days
    FROM directions
    INNER JOIN gaps USING (network_id, mailbox_id, reporting_month, source)
    WHERE directions.scope = 'all' AND len(gaps.gap_days) BETWEEN 1 AND 3
) AS daily
    ON daily.network_id = usage.network_id
    AND daily.mailbox_id = usage.mailbox_id
    AND daily.reporting_month = usage.reporting_month
    AND daily.account_report IS NOT DISTINCT FROM usage.account_report
    AND daily.statistic = usage.statistic
    AND daily.unit = usage.unit
    AND daily.direction = usage.direction
    AND daily.quantity >= usage.quantity
WHERE usage.quantity IS NOT NULL
QUALIFY row_number() OVER (
    PARTITION BY
        usage.network_id, usage.mailbox_id, usage.reporting_month, usage.account_report, usage.statistic, usage.unit, usage.scope,
        usage.direction
    ORDER BY usage.source_rank, usage.is_own DESC NULLS LAST, usage.asked_for, usage.table_name, daily.asked_for
) = 1
