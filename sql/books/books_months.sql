-- One row per month: what its invoices ask, what is claimed of it and credited, and by what its bill differs from the month before.
-- kept as: scratch view
-- Amounts of invoices are null where no invoice of the month has a known total. The parts of the change are null in the first month;
-- `other_part` is mix, new, ended and corrected charges. `cost_per_kc`: lines of traffic by the KCs of the accounts whose statistics state
-- them, of the latest 13 months.
WITH invoices AS (
    SELECT
        reporting_month,
        sum(invoiced_amount) AS invoiced_amount,
        sum(recalculated_amount) AS recalculated_amount,
        sum(claimable_amount) AS claimable_amount,
        sum(disputed_amount) AS disputed_amount,
        sum(to_pay_amount) AS to_pay_amount
    FROM out_invoice_reconciliation
    GROUP BY reporting_month
),
claims AS (
    SELECT reporting_month, sum(credited_amount) AS recovered_amount
    FROM out_claims
    GROUP BY reporting_month
),
changes AS (
    SELECT
        reporting_month,
        sum(price_part) AS price_part,
        sum(volume_part) AS volume_part,
        sum(mix_part + new_part + ended_part + correction_part) AS other_part
    FROM out_month_on_month
    GROUP BY reporting_month
),
unit_costs AS (
    SELECT reporting_month, sum(cost) AS cost, sum(kc) AS kc
    FROM out_unit_costs
    WHERE kc IS NOT NULL
    GROUP BY reporting_month
),
months AS (
    SELECT reporting_month FROM core_months
    UNION
    SELECT reporting_month FROM invoices
)
SELECT
    months.reporting_month,
    invoices.invoiced_amount,
    invoices.recalculated_amount,
    invoices.claimable_amount,
    invoices.disputed_amount,
    claims.recovered_amount,
    invoices.to_pay_amount,
    changes.price_part,
    changes.volume_part,
    changes.other_part,
    round(quotient(unit_costs.cost, unit_costs.kc), 4) AS cost_per_kc
FROM months
LEFT JOIN invoices USING (reporting_month)
LEFT JOIN claims USING (reporting_month)
LEFT JOIN changes USING (reporting_month)
LEFT JOIN unit_costs USING (reporting_month)
