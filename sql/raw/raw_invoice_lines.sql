-- One row per line of an invoice, as the invoice states it.
SELECT *
FROM lake_invoice_lines
