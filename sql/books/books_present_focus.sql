-- One row per FOCUS charge of the month (variable `month`) as the warehouse has it, with the entry that it is of (`focus_key`).
-- kept as: scratch view
SELECT
    *,
    focus_entry(network_id, mailbox_id, "x_AccountReport", "x_MeasureField", "InvoiceId", "x_InvoiceCharge") AS focus_key
FROM out_focus
WHERE reporting_month = getvariable('month')::DATE
