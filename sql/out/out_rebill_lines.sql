-- One row per client, account and charge of a month: its cost by the vendor's invoice, and its price by the client's own rule.
-- `rebill` fills it from client_lines after each build of a data directory with clients.csv, and whenever it runs. The costs of
-- a month add up to its invoices (less what is disputed, if ECGRID_REBILL_DISPUTED is `exclude`).
-- client: your client by clients.csv; unassigned: none has the account
-- network_id: NetworkID of the account that is billed; null where no line of the invoice bills the amount
-- mailbox_id: MailboxID of the account that is billed; null where no line of the invoice bills the amount
-- quantity: quantity that the service measured; null for a share of a charge
-- cost: what the vendor's invoice asks for it
-- price: what the client owes for it by client_prices.csv; null without a rule, or where the rule gives none
-- margin: price less cost
-- rule: rule of client_prices.csv; null: none applies
-- charge: what a shared amount is: minimum, percentage, credit, shared_tiers or other; null: billed to the account itself
-- allocation: how a shared amount is divided: proportional, standalone or even; null: billed to the account itself
SELECT
    NULL::VARCHAR AS client,
    NULL::INTEGER AS network_id,
    NULL::INTEGER AS mailbox_id,
    NULL::DATE AS reporting_month,
    NULL::VARCHAR AS account_report,
    NULL::VARCHAR AS measure_field,
    NULL::DECIMAL(28, 10) AS quantity,
    NULL::DECIMAL(28, 10) AS cost,
    NULL::DECIMAL(28, 10) AS price,
    NULL::DECIMAL(28, 10) AS margin,
    NULL::VARCHAR AS rule,
    NULL::VARCHAR AS explanation,
    NULL::INTEGER AS contract_id,
    NULL::VARCHAR AS charge,
    NULL::VARCHAR AS allocation
WHERE false
