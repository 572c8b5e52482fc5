-- One row per case of client_alone_cases that has a price: what the client's use would cost by itself, by the price list of the network.
-- kept as: scratch
-- with: core_rating_cases = client_alone_cases
SELECT
    cases.network_id,
    cases.reporting_month,
    cases.account_report,
    cases.measure_field,
    cases.client,
    rated.amount
FROM core_rating_cases AS cases
INNER JOIN core_rated AS rated USING (case_id)
WHERE rated.error IS NULL
