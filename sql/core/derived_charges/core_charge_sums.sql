-- One row per account and month: amounts billed, by part of the bill (reference_money_bases).
--     usage_amount       measures that are counted            fixed_amount        fees, but one-time ones and Credit
--     one_time_amount    fees of the level OneTime            percentage_amount   CreditPercentage and DebitPercentage
--     credit_amount      Credit                               minimum_amount      MonthlyMinimum
-- Subtotals repeat other lines and are in no part. Amounts are as billed, so a wrong charge is no
-- fault of the charges derived from it. A charge without a line (core_unknown_charges) counts with the invoice's amount; if that is unknown,
-- the sums are unknown (`is_open`).
WITH charges AS (
    SELECT
        lines.network_id, lines.mailbox_id, lines.reporting_month, lines.measure_field, line_terms.level, lines.amount
    FROM core_lines AS lines
    LEFT JOIN core_line_terms AS line_terms USING (terms_no)
    -- nothing is derived from the charges of a lake without derived charges
    WHERE EXISTS (FROM core_sets WHERE kind IN ('percentage', 'subtotal', 'minimum'))
    UNION ALL BY NAME
    SELECT network_id, mailbox_id, reporting_month, measure_field, NULL AS level, amount
    FROM core_unknown_charges
),
parts AS (
    SELECT
        charges.network_id,
        charges.mailbox_id,
        charges.reporting_month,
        charge_part(measures.kind, charges.measure_field, charges.level) AS part,
        charges.amount
    FROM charges
    LEFT JOIN reference_measures AS measures USING (measure_field)
)
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    coalesce(sum(amount) FILTER (WHERE part = 'usage'), 0)::DECIMAL(38, 10) AS usage_amount,
    coalesce(sum(amount) FILTER (WHERE part = 'fixed'), 0)::DECIMAL(38, 10) AS fixed_amount,
    coalesce(sum(amount) FILTER (WHERE part = 'one_time'), 0)::DECIMAL(38, 10) AS one_time_amount,
    coalesce(sum(amount) FILTER (WHERE part = 'percentages'), 0)::DECIMAL(38, 10) AS percentage_amount,
    coalesce(sum(amount) FILTER (WHERE part = 'credits'), 0)::DECIMAL(38, 10) AS credit_amount,
    coalesce(sum(amount) FILTER (WHERE part = 'minimums'), 0)::DECIMAL(38, 10) AS minimum_amount,
    bool_or(amount IS NULL) AS is_open
FROM parts
WHERE part IS NOT NULL
GROUP BY network_id, mailbox_id, reporting_month
