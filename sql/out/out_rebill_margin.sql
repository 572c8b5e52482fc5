-- One row per client, month and measure: cost, price and margin of its lines.
-- kept as: view
-- client: your client by clients.csv; unassigned: none has the accounts
-- measure_field: measure of the lines; null: what no line of the invoice bills
-- cost: sum of the lines' costs
-- price: sum of the lines' prices; null where one of them has none
-- margin: price less cost
-- margin_percent_of_price: margin in percent of the price; null where the price is 0
-- markup_percent_of_cost: margin in percent of the cost; null where the cost is 0
-- lines_without_price: how many lines have no price
WITH sums AS (
    SELECT
        client,
        reporting_month,
        measure_field,
        sum(cost)::DECIMAL(28, 10) AS cost,
        CASE WHEN count(*) = count(price) THEN sum(price) END::DECIMAL(28, 10) AS price,
        count(*) AS lines,
        count(*) - count(price) AS lines_without_price
    FROM out_rebill_lines
    GROUP BY ALL
)
SELECT
    client,
    reporting_month,
    measure_field,
    cost,
    price,
    (price - cost)::DECIMAL(28, 10) AS margin,
    percent_of(price - cost, price) AS margin_percent_of_price,
    percent_of(price - cost, cost) AS markup_percent_of_cost,
    lines,
    lines_without_price
FROM sums
