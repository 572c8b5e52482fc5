-- One row per tier of your own ladders (data/reference/ladders), as the rating takes it.
-- kept as: scratch
-- `ladder_id` is the ladder of a file for a report and measure; `allowance` is free of charge before its first tier.
WITH ladders AS (
    SELECT
        *,
        dense_rank() OVER (ORDER BY ladder, account_report, measure_field) AS ladder_no
    FROM reference_ladders
)
SELECT
    ladder_no::BIGINT AS ladder_id,
    ladder,
    account_report,
    measure_field,
    max(coalesce(allowance::DECIMAL(28, 10), 0)) OVER (PARTITION BY ladder_no)::DECIMAL(28, 10) AS allowance,
    tier::INTEGER AS tier,
    NULL::DECIMAL(28, 10) AS minimum,
    maximum::DECIMAL(28, 10) AS maximum,
    coalesce(rate::DECIMAL(28, 10), 0)::DECIMAL(28, 10) AS rate,
    coalesce(flat::DECIMAL(28, 10), 0)::DECIMAL(28, 10) AS flat,
    coalesce(nullif(block::DECIMAL(28, 10), 0), 1)::DECIMAL(28, 10) AS block,
    model
FROM ladders
