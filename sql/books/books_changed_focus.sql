-- One row per entry whose FOCUS charges the books do not hold as the warehouse has them: changed lines, and what changed on invoices.
-- kept as: scratch
-- A line has changed as in books_changed_lines, or when another invoice bills it; a charge of an invoice when its sum is another.
WITH kept AS (
    SELECT focus_key, min("InvoiceId") AS invoice_number, sum("BilledCost") AS amount
    FROM books_posted_focus
    GROUP BY focus_key
),
present AS (
    SELECT focus_key, min("InvoiceId") AS invoice_number, sum("BilledCost") AS amount
    FROM books_present_focus
    GROUP BY focus_key
)
SELECT coalesce(kept.focus_key, present.focus_key) AS focus_key
FROM kept
FULL JOIN present ON present.focus_key = kept.focus_key
WHERE present.amount IS DISTINCT FROM kept.amount OR present.invoice_number IS DISTINCT FROM kept.invoice_number
UNION
SELECT focus_entry(network_id, mailbox_id, account_report, measure_field, NULL::VARCHAR, NULL::VARCHAR)
FROM books_changed_lines
