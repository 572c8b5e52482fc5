-- One row per key and two months of its history that follow each other as the method compares them: the ratio of their quantities.
-- kept as: scratch
-- A method that projects from the month before, or from days to date, compares with the month before; one that projects from the same month
-- last year with that. A quantity of 0 or less has no ratio.
SELECT
    earlier.network_id,
    earlier.mailbox_id,
    earlier.account_report,
    earlier.measure_field,
    step.months,
    later.place,
    quotient(later.actual, earlier.actual) AS ratio
FROM accrual_history AS later
CROSS JOIN (VALUES (1), (12)) AS step (months)
INNER JOIN accrual_history AS earlier
    ON earlier.network_id = later.network_id
    AND earlier.mailbox_id = later.mailbox_id
    AND earlier.account_report = later.account_report
    AND earlier.measure_field = later.measure_field
    AND earlier.place = later.place - step.months
WHERE later.place < 0 AND earlier.actual > 0 AND later.actual > 0 AND later.kind = 'count'
