-- One row per case_id and tier that takes part in its price, numbers as text that may end in zeros.
-- kept as: view
SELECT
    case_id,
    tier,
    quantity::VARCHAR AS quantity,
    blocks::VARCHAR AS blocks,
    rate::VARCHAR AS rate,
    flat::VARCHAR AS flat,
    amount::VARCHAR AS amount
FROM core_rated_slices
