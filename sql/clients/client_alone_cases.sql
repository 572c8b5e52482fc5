-- One row per client and usage that a network's root mailbox bills for it (charge shared_tiers): what the client used, as a case to rate.
-- kept as: scratch
-- The use is that of its mailboxes whose lines are billed with the network (core_aggregated_lines); ladder and interpretation are those of
-- the root's line.
WITH shared AS (
    SELECT
        costs.network_id,
        costs.reporting_month,
        costs.account_report,
        costs.measure_field,
        used.ladder_id,
        used.reading_id,
        used.lone_bounds,
        used.first_minimum,
        used.first_maximum,
        used.rated_allowance,
        used.allowance
    FROM client_costs AS costs
    INNER JOIN core_lines AS roots
        ON roots.network_id = costs.network_id
        AND roots.mailbox_id = costs.mailbox_id
        AND roots.reporting_month = costs.reporting_month
        AND roots.account_report = costs.account_report
        AND roots.measure_field = costs.measure_field
    INNER JOIN core_used_readings AS used ON used.set_no = roots.set_no AND used.role = 'chosen'
    WHERE costs.charge = 'shared_tiers'
),
uses AS (
    SELECT
        lines.network_id,
        lines.reporting_month,
        lines.account_report,
        lines.measure_field,
        coalesce(own.client, network.client, 'unassigned') AS client,
        sum(lines.actual) AS actual
    FROM core_aggregated_lines AS aggregated
    INNER JOIN core_lines AS lines
        ON lines.network_id = aggregated.network_id
        AND lines.mailbox_id = aggregated.mailbox_id
        AND lines.reporting_month = aggregated.reporting_month
        AND lines.terms_no = aggregated.terms_no
    LEFT JOIN client_accounts AS own
        ON own.network_id = lines.network_id
        AND own.mailbox_id = lines.mailbox_id
        AND own.reporting_month = lines.reporting_month
    LEFT JOIN client_accounts AS network
        ON network.mailbox_id IS NULL
        AND network.network_id = lines.network_id
        AND network.reporting_month = lines.reporting_month
    GROUP BY ALL
)
SELECT
    row_number() OVER (
        ORDER BY uses.network_id, uses.reporting_month, uses.account_report, uses.measure_field, uses.client
    ) AS case_id,
    uses.network_id,
    uses.reporting_month,
    uses.account_report,
    uses.measure_field,
    uses.client,
    shared.ladder_id,
    shared.reading_id,
    case_quantity(uses.actual, shared.lone_bounds, shared.allowance, shared.first_minimum, shared.first_maximum) AS quantity,
    shared.rated_allowance AS allowance
FROM uses
INNER JOIN shared
    ON shared.network_id = uses.network_id
    AND shared.reporting_month = uses.reporting_month
    AND shared.account_report = uses.account_report
    AND shared.measure_field = uses.measure_field
