-- One row per FOCUS charge of a closed month as the books hold it; see books_posted_lines.
-- kept as: scratch view
WITH last_batches AS (
    SELECT
        network_id,
        mailbox_id,
        reporting_month,
        "x_AccountReport",
        "x_MeasureField",
        max("x_Correction") AS "x_Correction"
    FROM books_booked_focus
    GROUP BY network_id, mailbox_id, reporting_month, "x_AccountReport", "x_MeasureField"
),
entered AS (
    SELECT booked.* EXCLUDE ("x_Correction", "x_Entry")
    FROM books_booked_focus AS booked
    SEMI JOIN last_batches
        USING (network_id, mailbox_id, reporting_month, "x_AccountReport", "x_MeasureField", "x_Correction")
    WHERE booked."x_Entry" = 're-entry'
)
SELECT closed.*
FROM books_closed_focus AS closed
ANTI JOIN last_batches
    USING (network_id, mailbox_id, reporting_month, "x_AccountReport", "x_MeasureField")
UNION ALL BY NAME
SELECT *
FROM entered
