-- One row per notice about a month ahead of its invoice: a budget or a tier that will be passed, or use that is unusual.
-- `accrue` fills it after each build, for the month accrued. Notices are no findings and never
-- touch the exit status. Use of keys with less than six months of history is not judged.
-- notice: budget_ahead (the projected amount is above budgets.csv), tier_ahead (the next bound of a ladder is passed) or unusual_use (far above what is usual for the account in this month)
-- contract_id: contract of the budget, or of the account
-- network_id: NetworkID of the account; null for a budget of a contract or client
-- mailbox_id: MailboxID of the account; null for a budget of a contract or client
-- client: client of the budget; null: none
-- quantity: quantity projected for the month, in units of the measure
-- threshold: what is passed: the budget, the bound of the tier, or what is usual for the account in this month
-- amount: amount projected for the month
-- difference: amount less the budget; less what the quantity would cost at the price so far; or the part above the usual
-- explanation: the notice in words
SELECT
    NULL::VARCHAR AS notice,
    NULL::DATE AS reporting_month,
    NULL::INTEGER AS contract_id,
    NULL::INTEGER AS network_id,
    NULL::INTEGER AS mailbox_id,
    NULL::VARCHAR AS client,
    NULL::VARCHAR AS account_report,
    NULL::VARCHAR AS measure_field,
    NULL::DECIMAL(28, 10) AS quantity,
    NULL::DECIMAL(28, 10) AS threshold,
    NULL::DECIMAL(28, 10) AS amount,
    NULL::DECIMAL(28, 10) AS difference,
    NULL::VARCHAR AS explanation
WHERE false
