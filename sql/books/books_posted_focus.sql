-- One row per FOCUS charge of a closed month as the books hold it; see books_posted_lines. `focus_key` is the entry that it is of.
-- kept as: scratch view
-- InvoiceId is that of the invoice, without the number of a batch. Columns that the closing's release had not are null: books_no_focus has
-- no row, and the columns of out_focus.
WITH closed AS (
    SELECT * FROM books_closed_focus
    UNION ALL BY NAME
    SELECT * FROM books_no_focus
),
booked AS (
    SELECT * REPLACE (regexp_replace("InvoiceId", concat('-C', "x_Correction", '$'), '') AS "InvoiceId")
    FROM (
        SELECT * FROM books_booked_focus
        UNION ALL BY NAME
        SELECT * FROM books_no_focus
    )
),
keyed AS (
    SELECT
        *,
        focus_entry(network_id, mailbox_id, "x_AccountReport", "x_MeasureField", "InvoiceId", "x_InvoiceCharge") AS focus_key
    FROM booked
),
last_batches AS (
    SELECT focus_key, max("x_Correction") AS "x_Correction"
    FROM keyed
    GROUP BY focus_key
),
entered AS (
    SELECT keyed.* EXCLUDE ("x_Correction", "x_Entry")
    FROM keyed
    SEMI JOIN last_batches USING (focus_key, "x_Correction")
    WHERE keyed."x_Entry" = 're-entry'
),
as_closed AS (
    SELECT
        *,
        focus_entry(network_id, mailbox_id, "x_AccountReport", "x_MeasureField", "InvoiceId", "x_InvoiceCharge") AS focus_key
    FROM closed
)
SELECT as_closed.*
FROM as_closed
ANTI JOIN last_batches USING (focus_key)
UNION ALL BY NAME
SELECT *
FROM entered
