-- One row per account and month: its lines that unit prices rate, summed under unit, volume and graduated pricing.
-- kept as: view
-- billed_amount: sum of the amounts billed for these lines
-- expected_amount: sum of what the lines should cost under the readings chosen
SELECT
    network_id,
    mailbox_id,
    any_value(account_name) AS account_name,
    any_value(contract_id) AS contract_id,
    reporting_month,
    count(*) AS lines,
    try_cast(sum(billed_amount) AS DECIMAL(28, 10)) AS billed_amount,
    try_cast(sum(expected_amount) AS DECIMAL(28, 10)) AS expected_amount,
    try_cast(sum(unit_amount) AS DECIMAL(28, 10)) AS unit_amount,
    try_cast(sum(volume_amount) AS DECIMAL(28, 10)) AS volume_amount,
    try_cast(sum(graduated_amount) AS DECIMAL(28, 10)) AS graduated_amount,
    count(*) FILTER (WHERE is_on_cliff) AS lines_on_cliff,
    try_cast(coalesce(sum(cliff_saving), 0) AS DECIMAL(28, 10)) AS cliff_saving
FROM out_model_comparison
GROUP BY network_id, mailbox_id, reporting_month
