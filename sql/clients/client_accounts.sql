-- One row per account and month that clients.csv gives a client.
-- kept as: scratch
-- A row without mailbox_id applies to every mailbox of its network that has no row of its own. Of several rows the one that begins last
-- in the month counts.
WITH months AS (
    SELECT reporting_month FROM core_months
    UNION
    SELECT reporting_month FROM raw_invoices
)
SELECT
    clients.network_id::INTEGER AS network_id,
    clients.mailbox_id::INTEGER AS mailbox_id,
    months.reporting_month,
    clients.client,
    clients.cost_centre
FROM reference_clients AS clients
INNER JOIN months
    ON coalesce(clients.valid_from::DATE, DATE '0001-01-01') < months.reporting_month + INTERVAL 1 MONTH
    AND coalesce(clients.valid_to::DATE, DATE '9999-12-31') >= months.reporting_month
QUALIFY row_number() OVER (
    PARTITION BY clients.network_id::INTEGER, clients.mailbox_id::INTEGER, months.reporting_month
    ORDER BY clients.valid_from::DATE DESC NULLS LAST
) = 1
