-- One row per key whose use in the month is unusually high for the account (accrual_usual_use), or three times its highest month.
-- kept as: scratch
-- How often it is wrong, and what it finds: README.md. A threefold use is silent by intent where what is above the usual costs less
-- than 10.00, or where the history is shorter than six months. Above the usual: the projected amount less what the usual quantity costs by
-- the ladder (accrual_usual_amounts), or where that has no price, less its share of the amount, in cents.
WITH amounts AS (
    SELECT
        use.*,
        rows.projected_amount AS amount,
        try((
            rows.projected_amount
            - coalesce(usual_amounts.amount, round((rows.projected_amount * quotient(use.usual, use.quantity))::DECIMAL(38, 10), 2))
        )::DECIMAL(28, 10)) AS amount_above_usual
    FROM accrual_usual_use AS use
    INNER JOIN accrual_rows AS rows USING (network_id, mailbox_id, account_report, measure_field)
    LEFT JOIN accrual_usual_amounts AS usual_amounts USING (network_id, mailbox_id, account_report, measure_field)
    WHERE use.is_judged AND (use.quantity > use.usual_to OR use.quantity >= use.highest * 3)
)
SELECT
    network_id,
    mailbox_id,
    contract_id,
    account_report,
    measure_field,
    quantity,
    usual,
    least(usual_to, try_cast(highest * 3 AS DECIMAL(28, 10))) AS usual_to,
    months,
    amount,
    amount_above_usual
FROM amounts
WHERE amount_above_usual >= 10
