-- One row per contract and month: what it would pay under unit, volume and graduated pricing, and what the cheapest would save.
-- kept as: view
-- A saving is against what is expected under the readings that hold, so that wrong billing is no saving.
-- accounts: number of accounts of the contract with such lines
-- billed_amount: sum of the amounts billed for these lines
-- expected_amount: sum of what the lines should cost under the readings chosen
-- cheapest_model: pricing model that costs least: none (as it is), unit, volume or graduated
-- saving: expected_amount less what the cheapest other model would cost; 0 where none is cheaper
WITH contracts AS (
    SELECT
        contract_id,
        reporting_month,
        count(*) AS accounts,
        sum(lines)::BIGINT AS lines,
        sum(billed_amount)::DECIMAL(38, 10) AS billed_amount,
        sum(expected_amount)::DECIMAL(38, 10) AS expected_amount,
        sum(unit_amount)::DECIMAL(38, 10) AS unit_amount,
        sum(volume_amount)::DECIMAL(38, 10) AS volume_amount,
        sum(graduated_amount)::DECIMAL(38, 10) AS graduated_amount,
        sum(lines_on_cliff)::BIGINT AS lines_on_cliff,
        sum(cliff_saving)::DECIMAL(38, 10) AS cliff_saving
    FROM out_account_comparison
    GROUP BY contract_id, reporting_month
)
SELECT
    *,
    CASE least(expected_amount, unit_amount, volume_amount, graduated_amount)
        WHEN expected_amount THEN 'none: as it is'
        WHEN volume_amount THEN 'volume'
        WHEN graduated_amount THEN 'graduated'
        ELSE 'unit'
    END AS cheapest_model,
    greatest(expected_amount - least(unit_amount, volume_amount, graduated_amount), 0)::DECIMAL(38, 10) AS saving
FROM contracts
