-- One row per notice of the month, as out_notices has them.
-- kept as: scratch
SELECT
    'budget_ahead' AS notice,
    getvariable('month')::DATE AS reporting_month,
    contract_id,
    network_id,
    mailbox_id,
    client,
    NULL::VARCHAR AS account_report,
    NULL::VARCHAR AS measure_field,
    NULL::DECIMAL(28, 10) AS quantity,
    budget AS threshold,
    amount,
    try_cast(amount - budget AS DECIMAL(28, 10)) AS difference,
    concat('Projected ', money_text(amount), ' where the budget is ', money_text(budget), ': ', money_text(amount - budget), ' more.') AS explanation
FROM accrual_budgets_ahead
UNION ALL
SELECT
    'tier_ahead',
    getvariable('month')::DATE,
    contract_id,
    network_id,
    mailbox_id,
    NULL,
    account_report,
    measure_field,
    quantity,
    bound,
    amount,
    try_cast(amount - amount_at_price_so_far AS DECIMAL(28, 10)),
    concat(
        'Projected ', grouped_text(quantity), ' passes ', grouped_text(bound), ', from ', level_so_far, ' to ', level_ahead, ': ',
        money_text(least_amount),
        CASE WHEN least_amount < most_amount THEN concat(' to ', money_text(most_amount), ' (the interpretation is undecided)') ELSE '' END,
        ' where the price so far gives ', money_text(amount_at_price_so_far), '.'
    )
FROM accrual_tiers_ahead
UNION ALL
SELECT
    'unusual_use',
    getvariable('month')::DATE,
    contract_id,
    network_id,
    mailbox_id,
    NULL,
    account_report,
    measure_field,
    quantity,
    usual,
    amount,
    amount_above_usual,
    concat(
        'Use of ', grouped_text(quantity), ' where ', grouped_text(round(usual, 2)), ' is usual for the account in this month, and up to ',
        grouped_text(round(usual_to, 2)), ' is no notice: ', money_text(amount_above_usual), ' of ', money_text(amount), ' is above the usual.'
    )
FROM accrual_unusual_use
