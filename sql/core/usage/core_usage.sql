-- One row per account, month, account report and measure that ReportMonthly states: the quantity, and the parcels behind it.
-- per: whole, read by account and month
-- The report describes its own columns, and nothing says which it has: a row counts when it names an account, an account report
-- and measures by ECGrid's own names. Rows of one answer add up (a row may be a day); of several answers about one
-- account the one asked for the fewest accounts counts. A sum of which one value cannot be read (it is text, in a column
-- `<name> (text)`) is not known: it has no row here, and where a row's account cannot be read, none of its table.
WITH texts AS (
    SELECT
        reporting_month,
        asked,
        concat_ws(' ', asked_network_id, asked_mailbox_id) AS asked_for,
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
    FROM (
        UNPIVOT texts
        ON COLUMNS(* EXCLUDE (reporting_month, asked, asked_for, asked_mailbox_id, table_name, row_number))
        INTO NAME column_name VALUE cell
    )
),
unread AS (
    SELECT DISTINCT reporting_month, asked, asked_for, table_name
    FROM cells
    WHERE column_name IN ('NetworkID (text)', 'MailboxID (text)')
),
accounts AS (
    SELECT
        reporting_month,
        asked,
        asked_for,
        asked_mailbox_id,
        table_name,
        row_number,
        try_cast(any_value(cell) FILTER (WHERE column_name = 'NetworkID') AS INTEGER) AS network_id,
        try_cast(any_value(cell) FILTER (WHERE column_name = 'MailboxID') AS INTEGER) AS mailbox_id,
        any_value(cell) FILTER (WHERE column_name = 'Report') AS account_report,
        coalesce(try_cast(any_value(cell) FILTER (WHERE column_name = 'ParcelsIn') AS BIGINT), 0) AS parcels_in,
        coalesce(try_cast(any_value(cell) FILTER (WHERE column_name = 'ParcelsOut') AS BIGINT), 0) AS parcels_out,
        bool_or(column_name IN ('ParcelsIn (text)', 'ParcelsOut (text)')) AS is_unread
    FROM cells
    GROUP BY reporting_month, asked, asked_for, asked_mailbox_id, table_name, row_number
),
quantities AS (
    SELECT
        accounts.network_id,
        accounts.mailbox_id,
        accounts.reporting_month,
        accounts.account_report,
        measures.measure_field,
        accounts.asked,
        accounts.asked_for,
        accounts.asked_mailbox_id,
        accounts.table_name,
        CASE
            WHEN bool_and(NOT accounts.is_unread AND cells.column_name = measures.measure_field)
                AND count(*) = count(try_cast(cells.cell AS DECIMAL(28, 10)))
                THEN try_cast(sum(try_cast(cells.cell AS DECIMAL(28, 10))) AS DECIMAL(28, 10))
        END AS reported_quantity,
        try_cast(sum(
            CASE
                WHEN measures.measure_field LIKE 'To%' AND measures.measure_field NOT LIKE 'Total%' THEN accounts.parcels_in
                WHEN measures.measure_field LIKE 'From%' THEN accounts.parcels_out
                ELSE accounts.parcels_in::HUGEINT + accounts.parcels_out
            END
        ) AS BIGINT) AS parcels
    FROM cells
    INNER JOIN accounts USING (reporting_month, asked, asked_for, table_name, row_number)
    INNER JOIN reference_usage_tolerances AS measures
        ON cells.column_name IN (measures.measure_field, measures.measure_field || ' (text)')
    ANTI JOIN unread USING (reporting_month, asked, asked_for, table_name)
    WHERE accounts.network_id IS NOT NULL AND accounts.mailbox_id IS NOT NULL AND accounts.account_report IS NOT NULL
    GROUP BY ALL
)
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    reported_quantity,
    parcels
FROM quantities
WHERE reported_quantity IS NOT NULL AND parcels IS NOT NULL
QUALIFY row_number() OVER (
    PARTITION BY network_id, mailbox_id, reporting_month, account_report, measure_field
    ORDER BY CASE WHEN asked_mailbox_id >= 0 THEN 0 ELSE 1 END, asked_for, asked, table_name
) = 1
