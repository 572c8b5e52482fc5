-- One row per line of traffic with a quantity, of an account that the statistics have no row for though they state all mailboxes of its network.
-- Only where a meter is decided for the measure: else it is not known that the statistics count what is billed.
SELECT
    lines.network_id,
    lines.mailbox_id,
    lines.reporting_month,
    lines.account_report,
    lines.measure_field,
    lines.price_list_id,
    lines.actual,
    lines.amount,
    networks.source,
    networks.accounts
FROM core_lines AS lines
INNER JOIN out_meter_readings AS meters
    ON meters.network_id = lines.network_id
    AND meters.account_report = lines.account_report
    AND meters.measure_field = lines.measure_field
    AND meters.is_chosen
INNER JOIN core_stated_networks AS networks
    ON networks.network_id = lines.network_id
    AND networks.reporting_month = lines.reporting_month
    AND coalesce(networks.account_report, 'TrafficAll') = lines.account_report
    AND ends_with(lines.measure_field, networks.measure_unit)
ANTI JOIN core_usage AS usage
    ON usage.network_id = lines.network_id
    AND usage.mailbox_id = lines.mailbox_id
    AND usage.reporting_month = lines.reporting_month
    AND coalesce(usage.account_report, lines.account_report) = lines.account_report
WHERE lines.actual > 0
QUALIFY row_number() OVER (
    PARTITION BY lines.network_id, lines.mailbox_id, lines.reporting_month, lines.account_report, lines.measure_field
    ORDER BY networks.source
) = 1
