-- One row per key whose use in the month is unusually high for the account: far above what is usual for it, and outside its own spread.
-- kept as: scratch
-- Far is 2.75 times the usual use (accrual_usual_use) and more than four median deviations above it: on generated worlds and drawn histories
-- that is less than one false alarm in 1,000 key-months, and every threefold use (tests/recon/test_ahead.py). Less money than 10.00 for what
-- is above is no notice, nor is a key whose history is too short (accrual_usual_use).
WITH amounts AS (
    SELECT network_id, mailbox_id, account_report, measure_field, projected_amount
    FROM accrual_rows
)
SELECT
    use.network_id,
    use.mailbox_id,
    use.contract_id,
    use.account_report,
    use.measure_field,
    use.quantity,
    use.median,
    use.usual,
    use.deviation,
    use.months,
    amounts.projected_amount AS amount,
    (amounts.projected_amount * (1 - quotient(use.usual, use.quantity)))::DECIMAL(38, 10)::DECIMAL(28, 10) AS amount_above_usual
FROM accrual_usual_use AS use
INNER JOIN amounts USING (network_id, mailbox_id, account_report, measure_field)
WHERE use.is_judged
    AND use.quantity * 4 >= use.usual * 11
    AND use.quantity > use.usual + use.deviation * 4
    AND amounts.projected_amount * (1 - quotient(use.usual, use.quantity)) >= 10
