-- One row per quantity to price by your own ladder and reading.
-- kept as: scratch
-- Every quantity billed of the report and measure is here, whichever client's it is.
WITH ladders AS (
    SELECT DISTINCT
        tiers.ladder_id,
        tiers.account_report,
        tiers.measure_field,
        tiers.allowance,
        concat(coalesce(tiers.model, ''), '|', coalesce(prices.reading, '')) AS reading_id
    FROM client_tiers AS tiers
    INNER JOIN reference_client_prices AS prices
        ON ladder_stem(prices.value) = tiers.ladder
        AND coalesce(prices.account_report, tiers.account_report) = tiers.account_report
        AND coalesce(prices.measure_field, tiers.measure_field) = tiers.measure_field
    WHERE prices.rule = 'ladder'
),
asked AS (
    SELECT DISTINCT ladders.ladder_id, ladders.allowance, ladders.reading_id, lines.quantity
    FROM client_costs AS lines
    INNER JOIN ladders USING (account_report, measure_field)
    WHERE lines.quantity IS NOT NULL
)
SELECT
    row_number() OVER (ORDER BY ladder_id, reading_id, quantity) AS case_id,
    ladder_id,
    reading_id,
    quantity,
    allowance
FROM asked
