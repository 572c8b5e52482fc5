-- One row per invoice of the month (variable `month`), or per contract without one, as exported.
-- kept as: scratch view
-- An invoice that states no currency has that of the settings (variable `currency`), if there is one.
SELECT * REPLACE (coalesce(currency, getvariable('currency')::VARCHAR) AS currency)
FROM out_invoice_reconciliation
WHERE reporting_month = getvariable('month')::DATE
