-- One row per row of contract_terms.csv: a tier of the user's own terms, for a contract or a price list.
-- terms_contract_id is 0 for a row of a price list; price_list_id is null for a row of a contract. An empty cell states nothing; an open
-- Maximum is 0. Where the model prices by steps, Rate is the fee of the step, as in a price list.
SELECT
    coalesce(contract_id::INTEGER, 0) AS terms_contract_id,
    price_list_id::INTEGER AS price_list_id,
    account_report,
    measure_field,
    model,
    tier::INTEGER AS tier,
    count(*) OVER same_terms AS tiers,
    minimum::BIGINT AS minimum,
    maximum::BIGINT AS maximum,
    lag(maximum::BIGINT) OVER (same_terms ORDER BY tier::INTEGER) AS former_maximum,
    allowance::DECIMAL(28, 10) AS allowance,
    block::DECIMAL(28, 10) AS block,
    CASE WHEN is_fee_model(model) THEN coalesce(flat, rate) ELSE coalesce(rate, flat) END::DECIMAL(28, 10)
        AS rate,
    CASE WHEN is_fee_model(model) OR rate IS NULL THEN '0' ELSE coalesce(flat, '0') END::DECIMAL(28, 10)
        AS flat,
    coalesce(valid_from::DATE, DATE '0001-01-01') AS valid_from,
    coalesce(valid_to::DATE, DATE '9999-12-31') AS valid_to,
    document
FROM reference_contract_terms
WINDOW same_terms AS (
    PARTITION BY contract_id, price_list_id, account_report, measure_field, coalesce(valid_from, '')
)
