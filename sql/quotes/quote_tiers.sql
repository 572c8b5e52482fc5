-- One row per ladder_id of quote_ladders and tier, in the form of core_rating_tiers.
-- kept as: view
WITH ladders AS (
    SELECT
        ladder_id,
        from_json(
            tiers,
            '[{
                "minimum": "DECIMAL(28,10)", "maximum": "DECIMAL(28,10)", "rate": "DECIMAL(28,10)",
                "flat": "DECIMAL(28,10)", "block": "DECIMAL(28,10)"
            }]'
        ) AS tiers
    FROM quote_ladders
),

tiers AS (
    SELECT
        ladder_id,
        generate_subscripts(tiers, 1)::INTEGER AS tier,
        unnest(tiers) AS numbers
    FROM ladders
)

SELECT
    ladder_id,
    tier,
    numbers.minimum,
    numbers.maximum,
    numbers.rate,
    coalesce(numbers.flat, 0)::DECIMAL(28, 10) AS flat,
    coalesce(numbers.block, 1)::DECIMAL(28, 10) AS block
FROM tiers
