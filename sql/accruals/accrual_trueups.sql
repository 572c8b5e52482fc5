-- One row per key accrued, or billed without an accrual, of contracts whose invoice is here: accrued, invoiced, and what the difference is of.
-- kept as: scratch
-- `accrual_booked` has the rows of accrual.csv as it was booked. volume: the quantity billed at the terms accrued, less what was accrued;
-- price: what was billed less that; method: what neither explains (a key that was not accrued or not billed, a charge that is derived). The
-- three add up to the difference. What an invoice bills for no key stands on a row without a key.
WITH contracts AS (
    SELECT *
    FROM accrual_invoiced_contracts
    SEMI JOIN accrual_booked USING (contract_id)
),
booked AS (
    SELECT *, regexp_extract(source, 'terms ([^;]+)', 1) AS schedule_set_id
    FROM accrual_booked
),
billed AS (
    SELECT
        lines.network_id,
        lines.mailbox_id,
        lines.account_report,
        lines.measure_field,
        any_value(coalesce(former.contract_id, accounts.contract_id)) AS contract_id,
        any_value(lines.actual) AS actual,
        sum(lines.amount) AS amount
    FROM core_line_results AS lines
    LEFT JOIN core_accounts AS accounts ON accounts.network_id = lines.network_id AND accounts.mailbox_id = lines.mailbox_id
    LEFT JOIN core_former_accounts AS former
        ON former.network_id = lines.network_id
        AND former.mailbox_id = lines.mailbox_id
        AND former.reporting_month = lines.reporting_month
    WHERE lines.reporting_month = getvariable('month')::DATE
    GROUP BY lines.network_id, lines.mailbox_id, lines.account_report, lines.measure_field
),
shares AS (
    -- what the invoices bill by key, where they have lines
    SELECT contract_id, network_id, mailbox_id, account_report, measure_field, sum(recalculated_amount + difference) AS amount
    FROM core_invoice_shares
    WHERE reporting_month = getvariable('month')::DATE AND account_report IS NOT NULL
    GROUP BY contract_id, network_id, mailbox_id, account_report, measure_field
),
invoiced AS (
    SELECT
        coalesce(shares.contract_id, billed.contract_id) AS contract_id,
        network_id,
        mailbox_id,
        account_report,
        measure_field,
        billed.actual,
        coalesce(shares.amount, billed.amount) AS amount
    FROM billed
    FULL JOIN shares USING (network_id, mailbox_id, account_report, measure_field)
),
rated AS (
    SELECT
        booked.network_id,
        booked.mailbox_id,
        booked.account_report,
        booked.measure_field,
        any_value(rated.amount) AS amount
    FROM booked
    INNER JOIN invoiced USING (network_id, mailbox_id, account_report, measure_field)
    INNER JOIN core_sets AS sets ON sets.schedule_set_id = booked.schedule_set_id
    INNER JOIN accrual_rated AS rated ON rated.set_no = sets.set_no AND rated.actual = invoiced.actual
    WHERE booked.projected_quantity IS NOT NULL
    GROUP BY booked.network_id, booked.mailbox_id, booked.account_report, booked.measure_field
),
compared AS (
    SELECT
        network_id,
        mailbox_id,
        account_report,
        measure_field,
        coalesce(booked.contract_id, invoiced.contract_id) AS contract_id,
        coalesce(booked.projected_amount, 0)::DECIMAL(38, 10) AS accrued,
        coalesce(invoiced.amount, 0)::DECIMAL(38, 10) AS invoiced,
        CASE WHEN booked.projected_amount IS NOT NULL AND invoiced.amount IS NOT NULL THEN rated.amount END AS rated_amount
    FROM booked
    FULL JOIN invoiced USING (network_id, mailbox_id, account_report, measure_field)
    LEFT JOIN rated USING (network_id, mailbox_id, account_report, measure_field)
),
keyed AS (
    SELECT compared.*
    FROM compared
    SEMI JOIN contracts USING (contract_id)
),
rest AS (
    SELECT contract_id, contracts.invoiced_amount - coalesce(sum(keyed.invoiced), 0) AS amount
    FROM contracts
    LEFT JOIN keyed USING (contract_id)
    GROUP BY contract_id, contracts.invoiced_amount
)
SELECT
    network_id,
    mailbox_id,
    getvariable('month')::DATE AS reporting_month,
    account_report,
    measure_field,
    contract_id,
    accrued::DECIMAL(28, 10) AS accrued,
    invoiced::DECIMAL(28, 10) AS invoiced,
    try_cast(invoiced - accrued AS DECIMAL(28, 10)) AS difference,
    CASE WHEN rated_amount IS NULL THEN 0 ELSE invoiced - rated_amount END::DECIMAL(28, 10) AS price,
    CASE WHEN rated_amount IS NULL THEN 0 ELSE rated_amount - accrued END::DECIMAL(28, 10) AS volume,
    CASE WHEN rated_amount IS NULL THEN invoiced - accrued ELSE 0 END::DECIMAL(28, 10) AS method
FROM keyed
UNION ALL
SELECT NULL, NULL, getvariable('month')::DATE, NULL, NULL, contract_id, 0, amount, amount, 0, 0, amount
FROM rest
WHERE amount <> 0
