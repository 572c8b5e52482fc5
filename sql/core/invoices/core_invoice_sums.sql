-- One row per issued invoice: how much of it the lines requested one by one explain.
-- The newest invoice of a contract and month bears what its other invoices do not bill of the lines. If none of them has lines, the
-- totals of the others count as correct, as in the tie-out. lines_difference: amounts of its lines beyond those requested that a finding
-- reports or that are invoice-only charges. total_difference: total less its own lines; null if unknown. is_total_named:
-- `invoice_total_mismatch` reports it; if not, the findings of its lines explain the difference. A credit note without lines bills none of
-- the lines: its total is the difference, an invoice-only charge.
WITH shared AS (
    SELECT
        contract_id,
        reporting_month,
        source,
        invoice_id,
        sum(recalculated_amount) AS recalculated_amount,
        sum(difference) FILTER (WHERE is_explained) AS lines_difference
    FROM core_invoice_shares
    GROUP BY ALL
),
billed AS (
    SELECT DISTINCT contract_id, reporting_month FROM shared
),
others AS (
    SELECT
        issued.*,
        shared.lines_difference,
        issued.total_amount < 0 AND stated.invoice_id IS NULL AS is_note_alone,
        CASE
            WHEN billed.contract_id IS NOT NULL THEN coalesce(shared.recalculated_amount, 0)
            WHEN issued.total_amount > 0 THEN issued.total_amount
            ELSE 0
        END AS own_amount
    FROM core_issued_invoices AS issued
    LEFT JOIN shared USING (contract_id, reporting_month, source, invoice_id)
    LEFT JOIN billed USING (contract_id, reporting_month)
    LEFT JOIN (SELECT DISTINCT contract_id, reporting_month, source, invoice_id FROM core_invoice_lines) AS stated
        USING (contract_id, reporting_month, source, invoice_id)
)
SELECT
    others.contract_id,
    others.reporting_month,
    others.source,
    others.invoice_id,
    (
        CASE
            WHEN others.is_newest
                THEN coalesce(recalculated.amount, 0)
                    - (sum(others.own_amount) OVER (PARTITION BY others.contract_id, others.reporting_month) - others.own_amount)
            ELSE others.own_amount
        END
    )::DECIMAL(38, 10) AS recalculated_amount,
    coalesce(others.lines_difference, 0)::DECIMAL(38, 10) AS lines_difference,
    CASE WHEN others.is_note_alone THEN others.total_amount ELSE tied.total_difference END::DECIMAL(38, 10) AS total_difference,
    -- as the check invoice_total_mismatch has it
    coalesce(
        tied.total_difference <> 0
        AND NOT others.is_note_alone
        AND NOT (tied.total_amount IS NOT DISTINCT FROM tied.billed_amount AND tied.cause <> ''),
        false
    ) AS is_total_named
FROM others
LEFT JOIN core_recalculated_totals AS recalculated USING (contract_id, reporting_month)
LEFT JOIN out_invoice_tieout AS tied USING (contract_id, reporting_month, source, invoice_id)
