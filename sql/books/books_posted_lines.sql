-- One row per line of a closed month as posted: as closed, or as re-entered by its last booked batch.
-- kept as: scratch view
-- A line whose last batch has a reversal alone is no longer posted.
WITH last_batches AS (
    SELECT
        network_id,
        mailbox_id,
        reporting_month,
        account_report,
        measure_field,
        max(correction) AS correction
    FROM books_booked_lines
    GROUP BY network_id, mailbox_id, reporting_month, account_report, measure_field
),
entered AS (
    SELECT booked.* EXCLUDE (correction, entry)
    FROM books_booked_lines AS booked
    SEMI JOIN last_batches
        USING (network_id, mailbox_id, reporting_month, account_report, measure_field, correction)
    WHERE booked.entry = 're-entry'
)
SELECT closed.*
FROM books_closed_lines AS closed
ANTI JOIN last_batches
    USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
UNION ALL BY NAME
SELECT *
FROM entered
