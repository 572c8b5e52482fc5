-- One row per quantity to price by your own ladder and reading.
-- kept as: scratch
-- Every quantity billed of the report and measure is here, whichever client's it is.
WITH ladders AS (
    SELECT DISTINCT ladder_id, ladder, account_report, measure_field, allowance, model
    FROM client_tiers
),
asked AS (
    SELECT DISTINCT
        ladders.ladder_id,
        ladders.allowance,
        concat(coalesce(ladders.model, ''), '|', coalesce(prices.reading, '')) AS reading_id,
        lines.quantity
    FROM reference_client_prices AS prices
    INNER JOIN ladders ON ladders.ladder = ladder_stem(prices.value)
    INNER JOIN client_costs AS lines
        ON lines.account_report = ladders.account_report
        AND lines.measure_field = ladders.measure_field
        AND coalesce(prices.account_report, lines.account_report) = lines.account_report
        AND coalesce(prices.measure_field, lines.measure_field) = lines.measure_field
    WHERE prices.rule = 'ladder' AND lines.quantity IS NOT NULL
)
SELECT
    row_number() OVER (ORDER BY ladder_id, reading_id, quantity) AS case_id,
    ladder_id,
    reading_id,
    quantity,
    allowance
FROM asked
