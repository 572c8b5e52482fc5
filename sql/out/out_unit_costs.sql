-- One row per account and month of the latest 13 with lines of traffic and statistics: what a KC, a document and a partner cost.
-- kept as: view
-- Cost is the sum of the account's traffic lines. A document is an interchange. Counts are those of all traffic, duplicates among them.
-- cost: sum of the amounts of the account's lines of traffic
-- interchanges: number of interchanges, in and out; null: not stated
-- kc: KCs of 1,000 bytes, in and out; null: not stated
-- partners: number of trading partners that the statistics name; null: none are named
-- cost_per_interchange: cost by interchange; null without interchanges
-- cost_per_kc: cost by KC; null without KCs
-- cost_per_partner: cost by partner; null without partners
WITH latest AS (
    SELECT reporting_month
    FROM core_months
    QUALIFY row_number() OVER (ORDER BY reporting_month DESC) <= 13
),
costs AS (
    SELECT network_id, mailbox_id, reporting_month, sum(amount) AS cost
    FROM core_lines
    SEMI JOIN latest USING (reporting_month)
    WHERE account_report LIKE 'Traffic%'
    GROUP BY ALL
),
counts AS (
    SELECT
        network_id,
        mailbox_id,
        reporting_month,
        max(quantity) FILTER (WHERE statistic = 'interchanges') AS interchanges,
        coalesce(max(quantity) FILTER (WHERE unit = 'KC'), max(quantity * 0.001) FILTER (WHERE unit = 'byte' AND statistic = 'bytes')) AS kc
    FROM core_usage
    WHERE direction = 'both' AND scope = 'all' AND clock = 'server' AND coalesce(account_report, 'TrafficAll') = 'TrafficAll'
    GROUP BY ALL
),
partners AS (
    SELECT network_id, mailbox_id, reporting_month, count(DISTINCT partner) AS partners
    FROM core_statistics
    WHERE partner IS NOT NULL
    GROUP BY ALL
)
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    cost::DECIMAL(38, 10) AS cost,
    interchanges,
    kc::DECIMAL(28, 10) AS kc,
    partners,
    quotient(cost, interchanges) AS cost_per_interchange,
    quotient(cost, kc) AS cost_per_kc,
    quotient(cost, partners) AS cost_per_partner
FROM costs
INNER JOIN counts USING (network_id, mailbox_id, reporting_month)
LEFT JOIN partners USING (network_id, mailbox_id, reporting_month)
