-- One row per key of accrual_projections and quantity to rate: projected (volume 100), least (1), most (2), either side of a bound between, usual.
-- kept as: scratch
-- By volume pricing a quantity between the least and the most may cost less, or more, than both: so the highest bound between them is
-- rated too (3), and the first quantity above it (4). The usual quantity (5) is for accrual_unusual_use. A key without an interval, or without
-- usual use, has its projected quantity in their place.
WITH bounds AS (
    SELECT
        projections.network_id,
        projections.mailbox_id,
        projections.account_report,
        projections.measure_field,
        max(tiers.maximum)::DECIMAL(28, 10) AS bound
    FROM accrual_projections AS projections
    INNER JOIN accrual_sets AS sets USING (network_id, mailbox_id, account_report, measure_field)
    INNER JOIN core_set_tiers AS tiers ON tiers.set_no = sets.set_no
    WHERE tiers.maximum > projections.low_quantity AND tiers.maximum < projections.high_quantity
    GROUP BY projections.network_id, projections.mailbox_id, projections.account_report, projections.measure_field
)
SELECT
    projections.network_id,
    projections.mailbox_id,
    getvariable('month')::DATE AS reporting_month,
    projections.account_report,
    projections.measure_field,
    volumes.volume::DECIMAL(12, 4) AS volume,
    coalesce(
        CASE volumes.volume
            WHEN 1 THEN projections.low_quantity
            WHEN 2 THEN projections.high_quantity
            WHEN 3 THEN bounds.bound
            WHEN 4 THEN least(bounds.bound + 1, projections.high_quantity)
            WHEN 5 THEN CASE WHEN projections.has_fractions THEN usual.usual ELSE round(usual.usual, 0) END
        END,
        projections.quantity
    )::DECIMAL(28, 10) AS quantity
FROM accrual_projections AS projections
LEFT JOIN bounds USING (network_id, mailbox_id, account_report, measure_field)
LEFT JOIN accrual_usual_use AS usual USING (network_id, mailbox_id, account_report, measure_field)
CROSS JOIN (VALUES (100), (1), (2), (3), (4), (5)) AS volumes (volume)
