-- One row per line of an invoice that counts: the account and the key that it bills.
-- A contract and month counts by the invoice that was issued (InvoiceInfo; where that is refused, InvoiceList, if it has
-- lines), or, while there is none, by what InvoiceCalculate says it would be. Canceled invoices do not count.
-- A mailbox is found by its id; a network's own line is its Root's.
-- `copy` numbers lines of one contract and month that say the same of the same account, on one invoice or on several.
WITH counted AS (
    SELECT *
    FROM raw_invoices
    WHERE
        coalesce(status, '') <> 'Canceled'
        AND (source <> 'InvoiceList' OR (source, invoice_id) IN (SELECT (source, invoice_id) FROM raw_invoice_lines))
    QUALIFY dense_rank() OVER (
        PARTITION BY contract_id, reporting_month
        ORDER BY CASE source WHEN 'InvoiceInfo' THEN 0 WHEN 'InvoiceList' THEN 1 ELSE 2 END
    ) = 1
),
mailboxes AS (
    SELECT mailbox_id, min(network_id) AS network_id
    FROM core_accounts
    WHERE mailbox_id > 0
    GROUP BY mailbox_id
)
SELECT
    lines.reporting_month,
    lines.source,
    lines.invoice_id,
    lines.invoice_number,
    lines.contract_id,
    lines.line_item_number,
    CASE WHEN lines.system_object = 'Network' THEN lines.system_id ELSE mailboxes.network_id END AS network_id,
    CASE WHEN lines.system_object = 'Network' THEN 0 ELSE lines.system_id END AS mailbox_id,
    lines.schedule_account_report AS account_report,
    lines.schedule_measure AS measure_field,
    lines.price_list_id,
    lines.schedule_id,
    lines.actual,
    lines.quantity_billed,
    lines.amount,
    row_number() OVER (
        PARTITION BY
            lines.contract_id, lines.reporting_month, lines.source, lines.system_object, lines.system_id,
            lines.schedule_account_report, lines.schedule_measure, lines.schedule_id, lines.actual, lines.amount
        ORDER BY lines.invoice_id, lines.line_item_number, lines.quantity_billed
    ) AS copy
FROM raw_invoice_lines AS lines
SEMI JOIN counted
    ON counted.invoice_id = lines.invoice_id
    AND counted.reporting_month = lines.reporting_month
    AND counted.source = lines.source
    AND counted.contract_id = lines.contract_id
LEFT JOIN mailboxes ON mailboxes.mailbox_id = lines.system_id AND lines.system_object <> 'Network'
