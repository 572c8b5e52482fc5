-- One row per line of an invoice that counts: the account and the key that it bills.
-- Of a contract and month, the lines of its issued invoices count. While there is none, those of its Pending invoices; without these,
-- those of InvoiceCalculate. Canceled invoices do not count.
-- A mailbox is found by its id. A line of a network itself is its Root mailbox's. invoice_lines.csv gives the measure of an 810's codes.
-- `is_unassigned`: an imported line names no account or no measure, so it may bill any line of the contract. On an invoice whose other
-- lines name both, a line that names neither is not: core_invoice_matches finds whether it bills the rest of the lines.
-- `copy` numbers the lines of one contract and month that bill the same values for the same account, on one invoice or on several.
-- A value that could not be read is null: `is_unread` where it is a quantity or an amount, `is_key_unread` where it is the account,
-- report or measure. In a month that was limited to some accounts, only their lines are here.
WITH issued AS (
    SELECT contract_id, reporting_month, source, invoice_id
    FROM core_issued_invoices
    WHERE source <> 'InvoiceList' OR (source, invoice_id) IN (SELECT (source, invoice_id) FROM raw_invoice_lines)
),
counted AS (
    SELECT * FROM issued
    UNION ALL
    SELECT contract_id, reporting_month, source, invoice_id
    FROM raw_invoices
    ANTI JOIN issued USING (contract_id, reporting_month)
    WHERE source = 'InvoiceCalculate' OR status = 'Pending'
    QUALIFY dense_rank() OVER (
        PARTITION BY contract_id, reporting_month
        ORDER BY CASE WHEN source = 'InvoiceCalculate' THEN 1 ELSE 0 END
    ) = 1
),
codes AS (
    SELECT
        source, invoice_id, contract_id, reporting_month, line_item_number,
        generate_subscripts(from_json(product_codes, '["VARCHAR"]'), 1) AS place,
        unnest(from_json(product_codes, '["VARCHAR"]')) AS product_code
    FROM raw_invoice_lines
),
-- the first code of a line that the table has
coded AS (
    SELECT
        codes.source, codes.invoice_id, codes.contract_id, codes.reporting_month, codes.line_item_number,
        arg_min(measures.account_report, codes.place) AS account_report,
        arg_min(measures.measure_field, codes.place) AS measure_field
    FROM codes
    INNER JOIN reference_invoice_lines AS measures ON measures.product_code = codes.product_code
    GROUP BY ALL
),
mailboxes AS (
    SELECT mailbox_id, min(network_id) AS network_id
    FROM core_accounts
    WHERE mailbox_id > 0
    GROUP BY mailbox_id
),
named AS (
    SELECT
        lines.reporting_month,
        lines.source,
        lines.invoice_id,
        lines.invoice_number,
        lines.contract_id,
        lines.line_item_number,
        CASE WHEN lines.system_object = 'Network' THEN lines.system_id ELSE mailboxes.network_id END AS network_id,
        CASE WHEN lines.system_object = 'Network' THEN 0 ELSE lines.system_id END AS mailbox_id,
        coalesce(lines.schedule_account_report, coded.account_report) AS account_report,
        coalesce(lines.schedule_measure, coded.measure_field) AS measure_field,
        lines.price_list_id,
        lines.schedule_id,
        lines.actual,
        lines.quantity_billed,
        lines.amount,
        row_number() OVER (
            PARTITION BY
                lines.contract_id, lines.reporting_month, lines.source, lines.system_object, lines.system_id,
                lines.schedule_account_report, lines.schedule_measure, lines.schedule_id, lines.actual, lines.amount,
                lines.product_codes, lines.line_kind, lines.line_description,
                CASE
                    WHEN lines.actual IS NULL OR lines.amount IS NULL OR lines.system_id IS NULL
                        THEN row(lines.invoice_id, lines.line_item_number)
                END
            ORDER BY lines.invoice_id, lines.line_item_number, lines.quantity_billed
        ) AS copy,
        -- a file need not state a quantity
        lines.amount IS NULL OR (lines.source <> 'imported' AND (lines.quantity_billed IS NULL OR lines.actual IS NULL)) AS is_unread,
        lines.source <> 'imported' AND (
            lines.system_id IS NULL OR lines.system_object IS NULL OR (
                (lines.schedule_id IS NOT NULL OR lines.schedule_rate IS NOT NULL)
                AND (lines.schedule_account_report IS NULL OR lines.schedule_measure IS NULL)
            )
        ) AS is_key_unread,
        lines.line_description,
        lines.line_kind,
        lines.product_codes,
        lines.source = 'imported' AND (lines.line_kind = 'item' OR lines.product_codes IS NOT NULL) AS may_be_unassigned
    FROM raw_invoice_lines AS lines
    SEMI JOIN counted USING (invoice_id, reporting_month, source, contract_id)
    LEFT JOIN coded USING (invoice_id, reporting_month, source, contract_id, line_item_number)
    LEFT JOIN mailboxes ON mailboxes.mailbox_id = lines.system_id AND lines.system_object <> 'Network'
)
SELECT
    named.* EXCLUDE (may_be_unassigned),
    named.may_be_unassigned
    AND (named.network_id IS NULL OR named.measure_field IS NULL)
    AND (
        named.product_codes IS NOT NULL
        OR named.measure_field IS NOT NULL
        OR NOT bool_or(named.network_id IS NOT NULL AND named.measure_field IS NOT NULL) OVER (
            PARTITION BY named.source, named.invoice_id, named.contract_id, named.reporting_month
        )
    ) AS is_unassigned
FROM named
WHERE
    NOT EXISTS (FROM core_limited_runs AS limited WHERE limited.reporting_month = named.reporting_month)
    OR EXISTS (
        FROM core_requested_accounts AS asked
        WHERE asked.network_id = named.network_id
            AND asked.mailbox_id = named.mailbox_id
            AND asked.reporting_month = named.reporting_month
    )
