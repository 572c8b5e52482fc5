-- One row per tier of your own ladders (data/reference/ladders), as the rating takes it.
-- kept as: scratch
-- `ladder_id` is the ladder of a file for a report and measure; `allowance` is free of charge before its first tier.
WITH ladders AS (
    SELECT
        *,
        dense_rank() OVER (ORDER BY ladder, account_report, measure_field) AS ladder_no
    FROM client_ladders
)
SELECT
    ladder_no::BIGINT AS ladder_id,
    ladder,
    account_report,
    measure_field,
    max(coalesce(allowance, 0)) OVER (PARTITION BY ladder_no)::DECIMAL(28, 10) AS allowance,
    tier,
    NULL::DECIMAL(28, 10) AS minimum,
    nullif(maximum, 0) AS maximum,
    coalesce(rate, 0)::DECIMAL(28, 10) AS rate,
    coalesce(flat, 0)::DECIMAL(28, 10) AS flat,
    coalesce(nullif(block, 0), 1)::DECIMAL(28, 10) AS block,
    model
FROM ladders
