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
    sum(billed_amount)::DECIMAL(38, 10) AS billed_amount,
    sum(expected_amount)::DECIMAL(38, 10) AS expected_amount,
    sum(unit_amount)::DECIMAL(38, 10) AS unit_amount,
    sum(volume_amount)::DECIMAL(38, 10) AS volume_amount,
    sum(graduated_amount)::DECIMAL(38, 10) AS graduated_amount,
    count(*) FILTER (WHERE is_on_cliff) AS lines_on_cliff,
    coalesce(sum(cliff_saving), 0)::DECIMAL(38, 10) AS cliff_saving
FROM out_model_comparison
GROUP BY network_id, mailbox_id, reporting_month
