-- One row per account, month, account report (null: all traffic), statistic, unit, scope, direction and clock: the quantity by the statistics.
-- Rows of one response add up (a row may be a day, or a partner). Of several responses the one that states the month as a whole counts, and
-- of these the one requested for the fewest accounts. A sum of which one value cannot be read is not known: it has no row.
-- `scope`: all; and where states are known, counted (without duplicates and canceled ones), charged (counted, and to be paid by the
-- account) and doubled (charged, with duplicates and canceled ones).
-- `clock`: `server` is the month as the service cuts it. `utc` is the month by UTC, from rows of single interchanges with a time and a zone,
-- where the service's month ends at another moment and the neighbouring month has rows too.
-- A row without a direction beside rows with one is a sum of them, or the sum of both is not known.
-- `parcels`: number of parcels behind it; of interchanges where no parcels are stated. `gap_days`: days without a row, though the same
-- weekday has rows in three other weeks and a third of an average day; at most one for three days with rows. A gap is no zero: each such day
-- may hold half the account's smallest day to twice its largest, together `gap_least` to `gap_most`.
-- `lost_days`, `lost_quantity`: such days where the month's own sum exceeds the sum of its days by what they may hold, and by how much.
WITH timed AS (
    SELECT
        *,
        date_trunc('month', sent_at)::DATE AS utc_month,
        bool_or(sent_at >= reporting_month + INTERVAL 1 MONTH) OVER account AS is_behind,
        bool_or(sent_at < reporting_month) OVER account AS is_ahead
    FROM core_statistics
    WHERE sent_at IS NOT NULL AND statistic IS NOT NULL
    WINDOW account AS (PARTITION BY network_id, mailbox_id, source)
),
-- months by UTC of which both parts are there
utc_months AS (
    SELECT own.network_id, own.mailbox_id, own.source, own.reporting_month
    FROM (SELECT DISTINCT network_id, mailbox_id, source, reporting_month, is_behind, is_ahead FROM timed) AS own
    SEMI JOIN timed AS neighbour
        ON neighbour.network_id = own.network_id
        AND neighbour.mailbox_id = own.mailbox_id
        AND neighbour.source = own.source
        AND neighbour.reporting_month = own.reporting_month + CASE WHEN own.is_behind THEN -INTERVAL 1 MONTH ELSE INTERVAL 1 MONTH END
    WHERE own.is_behind <> own.is_ahead
),
clocked AS (
    SELECT *, 'server' AS clock
    FROM core_statistics
    WHERE statistic IS NOT NULL
    UNION ALL
    SELECT timed.* EXCLUDE (utc_month, is_behind, is_ahead) REPLACE (timed.utc_month AS reporting_month), 'utc'
    FROM timed
    INNER JOIN utc_months
        ON utc_months.network_id = timed.network_id
        AND utc_months.mailbox_id = timed.mailbox_id
        AND utc_months.source = timed.source
        AND utc_months.reporting_month = timed.utc_month
),
scoped AS (
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
    FROM clocked AS statistics
    INNER JOIN (VALUES ('all'), ('counted'), ('charged'), ('doubled')) AS scopes (name) ON scopes.name = 'all' OR statistics.has_state
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
        clock,
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
        CASE
            WHEN bool_or(is_by_row) AND any_value(quantity) FILTER (WHERE direction = 'both') <> sum(quantity) FILTER (WHERE direction <> 'both') THEN NULL
            ELSE any_value(quantity) FILTER (WHERE direction = 'both')
        END AS quantity_both,
        bool_or(is_by_row) AND bool_or(direction = 'both') AS is_mixed,
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
            quantity_in, quantity_out, quantity_both, is_mixed, smallest_in, smallest_out, smallest_both, largest_in, largest_out, largest_both
        ),
        sides.direction,
        CASE sides.direction
            WHEN 'in' THEN quantity_in
            WHEN 'out' THEN quantity_out
            ELSE coalesce(quantity_both, CASE WHEN NOT is_mixed THEN try_cast(quantity_in + quantity_out AS DECIMAL(28, 10)) END)
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
        list_sort(flatten(list(list_filter(
            list_transform(range(reporting_month, reporting_month + INTERVAL 1 MONTH, INTERVAL 1 DAY), lambda moment: moment::DATE),
            lambda one: isodow(one) = weekday AND NOT list_contains(days, one)
        )))) AS gap_days,
        any_value(all_days) AS all_days
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
    WHERE unit = 'count' AND scope = 'all' AND clock = 'server' AND quantity IS NOT NULL
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
    usage.clock,
    usage.source,
    usage.quantity,
    parcels.parcels,
    CASE WHEN daily.quantity >= usage.quantity THEN daily.gap_days END AS gap_days,
    CASE WHEN daily.quantity >= usage.quantity THEN least_of_gap END AS gap_least,
    CASE WHEN daily.quantity >= usage.quantity THEN most_of_gap END AS gap_most,
    CASE
        WHEN usage.quantity > daily.quantity AND usage.quantity - daily.quantity BETWEEN least_of_gap AND most_of_gap THEN daily.gap_days
    END AS lost_days,
    CASE
        WHEN usage.quantity > daily.quantity AND usage.quantity - daily.quantity BETWEEN least_of_gap AND most_of_gap
            THEN try_cast(usage.quantity - daily.quantity AS DECIMAL(28, 10))
    END AS lost_quantity
FROM directions AS usage
LEFT JOIN parcels
    ON parcels.network_id = usage.network_id
    AND parcels.mailbox_id = usage.mailbox_id
    AND parcels.reporting_month = usage.reporting_month
    AND parcels.account_report IS NOT DISTINCT FROM usage.account_report
    AND parcels.direction = usage.direction
LEFT JOIN (
    SELECT
        directions.*,
        gaps.gap_days,
        try_cast(len(gaps.gap_days) * directions.smallest * 0.5 AS DECIMAL(28, 10)) AS least_of_gap,
        try_cast(len(gaps.gap_days) * directions.largest * 2 AS DECIMAL(28, 10)) AS most_of_gap
    FROM directions
    INNER JOIN gaps USING (network_id, mailbox_id, reporting_month, source)
    WHERE directions.scope = 'all' AND directions.clock = 'server' AND len(gaps.gap_days) > 0 AND len(gaps.gap_days) * 3 <= gaps.all_days
) AS daily
    ON daily.network_id = usage.network_id
    AND daily.mailbox_id = usage.mailbox_id
    AND daily.reporting_month = usage.reporting_month
    AND daily.account_report IS NOT DISTINCT FROM usage.account_report
    AND daily.statistic = usage.statistic
    AND daily.unit = usage.unit
    AND daily.direction = usage.direction
WHERE usage.quantity IS NOT NULL
QUALIFY row_number() OVER (
    PARTITION BY
        usage.network_id, usage.mailbox_id, usage.reporting_month, usage.account_report, usage.statistic, usage.unit, usage.scope,
        usage.direction, usage.clock
    ORDER BY usage.source_rank, usage.is_own DESC NULLS LAST, usage.asked_for, usage.table_name, daily.asked_for
) = 1
