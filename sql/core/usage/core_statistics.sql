-- One row per row of a statistics response and quantity in it that is understood: its account, partner, day and state; and one per month, report,
-- network and table with something that is not understood (`unread_columns`, statistic null).
-- A response describes its own columns, and ECGrid documents none: reference_usage_columns maps their names (usage_name) to what
-- they state. A row that names no account has the one that was requested; a table with an account that cannot be read has no row.
-- `unread_columns`: all columns of a table without a quantity; of another table its columns of numbers that are not in the reference
-- (identifiers end in id), and of each column with a word that is no direction, account report or number where one is expected, the first. A row of an unknown
-- account report states no quantity, and a direction that is unknown leaves all quantities by direction of its response unknown.
-- Sums of a whole network have no account, and no row. `quantity` is null where its value cannot be read, or two columns state it differently. `source_rank` orders the responses of one
-- month: those that state the month as a whole first. ReportMonthly's report 3 ("Trading Partner Summary by Network") is a
-- sum by network of the counter-party of what reports 1 and 2 state; its columns are not known from anywhere, so it is only kept.
-- A day is the server's: rows of days begin at its midnight, which is within 12 hours of midnight UTC. `sent_at`: time of one interchange,
-- in UTC; null without a zone.
WITH texts AS (
    SELECT
        reporting_month,
        asked,
        concat_ws(' ', asked_network_id, asked_mailbox_id) AS asked_for,
        asked_network_id,
        asked_mailbox_id,
        table_name,
        row_number,
        COLUMNS(
            * EXCLUDE (
                reporting_month, asked_network_id, asked_mailbox_id, asked, table_name, row_number, api_version, pulled_at,
                response_sha256
            )
        )::VARCHAR
    FROM (SELECT *, NULL::VARCHAR AS no_further_column FROM raw_monthly_reports)
),
cells AS (
    SELECT
        * EXCLUDE (report_number),
        CASE
            WHEN contains(asked, 'Period=Day') THEN 'ReportTrafficStats by day'
            WHEN contains(asked, 'Period=') THEN 'ReportTrafficStats'
            WHEN contains(asked, 'StartDate=') THEN 'ReportByDate'
            WHEN report_number = '1' THEN 'ReportMonthly'
            ELSE concat('ReportMonthly ', report_number)
        END AS source
    FROM (
        SELECT *, regexp_extract(asked, 'Report=([0-9]+)', 1) AS report_number
        FROM (
            UNPIVOT texts
            ON COLUMNS(* EXCLUDE (reporting_month, asked, asked_for, asked_network_id, asked_mailbox_id, table_name, row_number))
            INTO NAME column_name VALUE cell
        )
    )
),
-- each name once: its patterns cost more than all else
names AS (
    SELECT found.column_name, known.role, known.statistic, known.unit, known.direction
    FROM (SELECT DISTINCT column_name FROM cells) AS found
    INNER JOIN reference_usage_columns AS known ON known.column_name = usage_name(found.column_name) AND known.role <> 'word'
),
known AS (
    SELECT
        reporting_month,
        source,
        asked,
        asked_for,
        asked_network_id,
        asked_mailbox_id,
        table_name,
        row_number,
        column_name,
        names.role,
        names.statistic,
        names.unit,
        names.direction,
        CASE WHEN NOT ends_with(cells.column_name, ' (text)') THEN cell END AS cell,
        words.direction AS cell_direction,
        CASE WHEN names.role = 'report' THEN usage_report(cell) END AS cell_report,
        ends_with(cells.column_name, ' (text)') AS is_unread
    FROM cells
    INNER JOIN names USING (column_name)
    LEFT JOIN reference_usage_columns AS words
        ON names.role = 'direction' AND words.role = 'word' AND words.column_name = lower(trim(cells.cell))
    WHERE cells.source <> 'ReportMonthly 3'
),
facts AS (
    SELECT
        * EXCLUDE (role, statistic, unit, direction, cell, cell_direction, cell_report, is_unread, column_name),
        any_value(cell) FILTER (WHERE role = 'network') AS network_text,
        any_value(cell) FILTER (WHERE role = 'mailbox') AS mailbox_text,
        any_value(cell_report) AS account_report,
        bool_or(role = 'report' AND cell_report IS NULL) AS is_report_unread,
        any_value(cell) FILTER (WHERE role = 'partner') AS partner,
        any_value(cell_direction) AS row_direction,
        bool_or(role = 'direction' AND cell_direction IS NULL AND trim(cell) <> '') AS is_direction_unread,
        any_value(cell) FILTER (WHERE role = 'status') AS status,
        any_value(try_cast(cell AS TIMESTAMP)) FILTER (WHERE role = 'period') AS begins_at,
        bool_or(role = 'period' AND ends_with(cell, '+00')) AS has_zone,
        bool_or(role = 'interchange') AS is_interchange,
        bool_or(is_unread) FILTER (WHERE role IN ('network', 'mailbox')) AS is_account_unread
    FROM known
    GROUP BY ALL
),
accounts AS (
    SELECT
        *,
        bool_or(network_text IS NOT NULL) OVER response AS has_networks,
        bool_or(mailbox_text IS NOT NULL) OVER response AS has_mailboxes,
        bool_or(is_account_unread) OVER response AS is_unread,
        bool_or(is_direction_unread) OVER response AS is_any_direction_unread
    FROM facts
    WINDOW response AS (PARTITION BY reporting_month, asked, asked_for, table_name)
),
quantities AS (
    SELECT
        accounts.reporting_month,
        accounts.source,
        accounts.asked,
        accounts.asked_for,
        accounts.asked_network_id,
        accounts.asked_mailbox_id,
        accounts.table_name,
        accounts.row_number,
        CASE WHEN has_networks THEN try_cast(network_text AS INTEGER) ELSE accounts.asked_network_id END AS network_id,
        CASE
            WHEN has_mailboxes THEN try_cast(mailbox_text AS INTEGER)
            WHEN accounts.asked_mailbox_id >= 0 THEN accounts.asked_mailbox_id
        END AS mailbox_id,
        account_report,
        partner,
        usage_state(status) AS state,
        status IS NOT NULL AS has_state,
        (begins_at + INTERVAL 12 HOUR)::DATE AS day,
        CASE WHEN is_interchange AND has_zone THEN begins_at END AS sent_at,
        coalesce(is_interchange, false) AS is_interchange,
        known.statistic,
        known.unit,
        CASE WHEN known.direction <> 'row' THEN known.direction ELSE coalesce(row_direction, 'both') END AS direction,
        known.direction = 'row' AND row_direction IS NOT NULL AS is_by_row,
        CASE
            WHEN bool_or(known.direction = 'row' AND is_any_direction_unread) THEN NULL
            WHEN min(try_cast(known.cell AS DECIMAL(28, 10))) = max(try_cast(known.cell AS DECIMAL(28, 10)))
                AND count(*) = count(try_cast(known.cell AS DECIMAL(28, 10)))
                THEN min(try_cast(known.cell AS DECIMAL(28, 10)))
        END AS quantity
    FROM known
    INNER JOIN accounts USING (reporting_month, asked, asked_for, table_name, row_number)
    WHERE known.role = 'statistic' AND NOT coalesce(accounts.is_unread, false) AND NOT coalesce(accounts.is_report_unread, false)
    GROUP BY ALL
),
unread AS (
    SELECT reporting_month, source, asked_network_id, table_name, regexp_replace(column_name, ' \(text\)$', '') AS words
    FROM cells
    ANTI JOIN quantities
        ON quantities.reporting_month = cells.reporting_month
        AND quantities.source = cells.source
        AND quantities.asked_network_id IS NOT DISTINCT FROM cells.asked_network_id
        AND quantities.table_name = cells.table_name
        AND quantities.network_id IS NOT NULL
    WHERE source <> 'ReportMonthly 3'
    UNION ALL
    SELECT cells.reporting_month, cells.source, cells.asked_network_id, cells.table_name, cells.column_name
    FROM cells
    ANTI JOIN names ON names.column_name = cells.column_name
    WHERE cells.source <> 'ReportMonthly 3' AND NOT ends_with(usage_name(cells.column_name), 'id')
    GROUP BY cells.reporting_month, cells.source, cells.asked_network_id, cells.table_name, cells.column_name
    HAVING bool_and(try_cast(cells.cell AS DECIMAL(38, 10)) IS NOT NULL)
    UNION ALL
    SELECT reporting_month, source, asked_network_id, table_name, concat(column_name, ' ''', left(min(cell), 40), '''')
    FROM known
    WHERE trim(cell) <> ''
        AND CASE role
            WHEN 'direction' THEN cell_direction IS NULL
            WHEN 'report' THEN cell_report IS NULL
            WHEN 'statistic' THEN try_cast(cell AS DECIMAL(28, 10)) IS NULL
        END
    GROUP BY reporting_month, source, asked_network_id, table_name, column_name
),
placed AS (
    SELECT
        *,
        CASE source
            WHEN 'ReportMonthly' THEN 1
            WHEN 'ReportTrafficStats' THEN 2
            WHEN 'ReportTrafficStats by day' THEN 3
            WHEN 'ReportByDate' THEN 4
            WHEN 'ReportMonthly 4' THEN 5
            ELSE 6
        END AS source_rank
    FROM quantities
    WHERE network_id IS NOT NULL
        AND mailbox_id IS NOT NULL
        AND (day IS NULL OR is_interchange OR (day >= reporting_month AND day < reporting_month + INTERVAL 1 MONTH))
)
SELECT *, NULL::VARCHAR AS unread_columns
FROM placed
UNION ALL
-- a row of one interchange with its bytes: KCs rounded up for it alone
SELECT * REPLACE ('KC' AS statistic, 'KC per interchange' AS unit, whole_units_up(quantity * 0.001) AS quantity), NULL
FROM placed
WHERE is_interchange AND unit = 'byte' AND statistic = 'bytes'
UNION ALL
SELECT * REPLACE ('interchanges' AS statistic, 'count' AS unit, 1 AS quantity), NULL
FROM placed
WHERE is_interchange AND unit = 'byte' AND statistic = 'bytes'
UNION ALL BY NAME
SELECT reporting_month, source, table_name, string_agg(DISTINCT words, ', ' ORDER BY words) AS unread_columns
FROM unread
GROUP BY reporting_month, source, asked_network_id, table_name
