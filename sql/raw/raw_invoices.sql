-- One row per invoice and source: an imported file, or the operation that returned it (InvoiceCalculate for one not yet issued).
SELECT *
FROM lake_invoices
