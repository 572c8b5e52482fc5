-- One row per network or contract that has derived charges, and month: amounts billed in it, by part of the bill.
-- kept as: scratch
-- `scope_id` is the NetworkID, or the ContractID that the accounts had in the month. A sum is unknown if that of one of its accounts is.
WITH accounts AS (
    SELECT sums.*, coalesce(former.contract_id, accounts.contract_id) AS contract_id
    FROM core_charge_sums AS sums
    LEFT JOIN core_accounts AS accounts USING (network_id, mailbox_id)
    LEFT JOIN core_former_accounts AS former USING (network_id, mailbox_id, reporting_month)
),
derived AS (
    SELECT DISTINCT network_id, mailbox_id
    FROM core_derived_lines
),
scopes AS (
    SELECT DISTINCT
        unnest(['network', 'contract']) AS scope,
        unnest([accounts.network_id, accounts.contract_id]) AS scope_id
    FROM accounts
    SEMI JOIN derived USING (network_id, mailbox_id)
),
scoped AS (
    SELECT unnest(['network', 'contract']) AS scope, unnest([network_id, contract_id]) AS scope_id, *
    FROM accounts
)
SELECT
    scope,
    scope_id,
    reporting_month,
    sum(usage_amount)::DECIMAL(38, 10) AS usage_amount,
    sum(fixed_amount)::DECIMAL(38, 10) AS fixed_amount,
    sum(one_time_amount)::DECIMAL(38, 10) AS one_time_amount,
    sum(percentage_amount)::DECIMAL(38, 10) AS percentage_amount,
    sum(credit_amount)::DECIMAL(38, 10) AS credit_amount,
    sum(minimum_amount)::DECIMAL(38, 10) AS minimum_amount,
    bool_or(is_open) AS is_open
FROM scoped
SEMI JOIN scopes USING (scope, scope_id)
GROUP BY scope, scope_id, reporting_month
