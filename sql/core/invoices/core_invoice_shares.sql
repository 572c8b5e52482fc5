-- One row per tie-out line and issued invoice that it is on: the part of our line that the invoice bills, and what it bills besides.
-- kept as: view
-- `difference` is the invoice's amount less `recalculated_amount`. A key that several invoices bill has a row on each: the first bears
-- what the others do not bill of our line. A line on no invoice stands on the newest of its contract and month.
-- `is_explained`: a finding names the difference, or the line is an invoice-only charge.
-- `line_amount`: amount of our line, on the share that bears it; 0 on every other.
WITH matches AS (
    SELECT matches.*
    FROM core_invoice_matches AS matches
    -- where trials alone have lines, nothing of them is on an issued invoice
    SEMI JOIN (
        SELECT lines.contract_id, lines.reporting_month
        FROM core_invoice_lines AS lines
        SEMI JOIN core_issued_invoices AS issued
            ON issued.contract_id = lines.contract_id
            AND issued.reporting_month = lines.reporting_month
            AND issued.source = lines.source
            AND issued.invoice_id = lines.invoice_id
    ) AS billed ON billed.contract_id = matches.contract_id AND billed.reporting_month = matches.reporting_month
),
paired AS (
    SELECT * FROM matches WHERE status IN ('matches', 'differs', 'not_asked')
),
-- what copies and lines of other contracts bill, which rows of their own have
apart AS (
    SELECT
        contract_id, reporting_month, source, invoice_id, network_id, mailbox_id, account_report, measure_field,
        sum(invoice_amount) AS invoice_amount
    FROM matches
    WHERE status IN ('copy', 'other_contract')
    GROUP BY ALL
),
elsewhere AS (
    SELECT
        lines.contract_id,
        lines.reporting_month,
        lines.source,
        lines.invoice_id,
        lines.network_id,
        lines.mailbox_id,
        lines.account_report,
        lines.measure_field,
        paired.status,
        sum(lines.amount) - coalesce(any_value(apart.invoice_amount), 0) AS invoice_amount
    FROM core_invoice_lines AS lines
    INNER JOIN paired
        ON paired.contract_id = lines.contract_id
        AND paired.reporting_month = lines.reporting_month
        AND paired.network_id = lines.network_id
        AND paired.mailbox_id = lines.mailbox_id
        AND paired.account_report = lines.account_report
        AND paired.measure_field = lines.measure_field
        AND (paired.invoice_id <> lines.invoice_id OR paired.source <> lines.source)
    LEFT JOIN apart
        ON apart.contract_id = lines.contract_id
        AND apart.reporting_month = lines.reporting_month
        AND apart.source = lines.source
        AND apart.invoice_id = lines.invoice_id
        AND apart.network_id = lines.network_id
        AND apart.mailbox_id = lines.mailbox_id
        AND apart.account_report = lines.account_report
        AND apart.measure_field = lines.measure_field
    GROUP BY ALL
),
others AS (
    SELECT
        contract_id, reporting_month, network_id, mailbox_id, account_report, measure_field,
        sum(invoice_amount) AS invoice_amount
    FROM elsewhere
    GROUP BY ALL
),
shares AS (
    SELECT
        matches.contract_id,
        matches.reporting_month,
        coalesce(matches.source, newest.source) AS source,
        coalesce(matches.invoice_id, newest.invoice_id) AS invoice_id,
        matches.network_id,
        matches.mailbox_id,
        matches.account_report,
        matches.measure_field,
        matches.status,
        matches.line_description,
        matches.line_kind,
        coalesce(matches.amount, 0) AS line_amount,
        CASE
            WHEN matches.status IN ('matches', 'differs') THEN matches.amount - coalesce(others.invoice_amount, 0)
            ELSE coalesce(matches.amount, 0)
        END AS recalculated_amount,
        CASE
            WHEN matches.status IN ('not_on_invoice', 'in_group') THEN 0
            WHEN matches.status IN ('matches', 'differs', 'not_asked') THEN matches.invoice_amount - coalesce(others.invoice_amount, 0)
            ELSE matches.invoice_amount
        END AS invoice_amount
    FROM matches
    LEFT JOIN others
        ON others.contract_id = matches.contract_id
        AND others.reporting_month = matches.reporting_month
        AND others.network_id = matches.network_id
        AND others.mailbox_id = matches.mailbox_id
        AND others.account_report = matches.account_report
        AND others.measure_field = matches.measure_field
    INNER JOIN core_issued_invoices AS newest
        ON newest.contract_id = matches.contract_id
        AND newest.reporting_month = matches.reporting_month
        AND newest.is_newest
    UNION ALL
    SELECT
        contract_id, reporting_month, source, invoice_id, network_id, mailbox_id, account_report, measure_field, status,
        NULL,
        NULL,
        0,
        CASE WHEN status = 'not_asked' THEN 0 ELSE invoice_amount END,
        invoice_amount
    FROM elsewhere
),
named AS (
    SELECT DISTINCT network_id, mailbox_id, reporting_month, account_report, measure_field
    FROM out_findings
)
SELECT
    shares.contract_id,
    shares.reporting_month,
    shares.source,
    shares.invoice_id,
    shares.network_id,
    shares.mailbox_id,
    shares.account_report,
    shares.measure_field,
    shares.status,
    shares.line_description,
    shares.line_kind,
    shares.line_amount::DECIMAL(38, 10) AS line_amount,
    shares.recalculated_amount::DECIMAL(38, 10) AS recalculated_amount,
    shares.invoice_amount::DECIMAL(38, 10) AS invoice_amount,
    (shares.invoice_amount - shares.recalculated_amount)::DECIMAL(38, 10) AS difference,
    shares.status IN ('invoice_only', 'copy', 'other_contract', 'not_on_invoice')
    -- a finding names what a group differs by, unless a line of it may be unknown
    OR (shares.status IN ('unassigned', 'in_group') AND coalesce(recalculated.keys_faulted, 0) = 0)
    OR named.network_id IS NOT NULL AS is_explained
FROM shares
LEFT JOIN core_recalculated_totals AS recalculated
    ON recalculated.contract_id = shares.contract_id AND recalculated.reporting_month = shares.reporting_month
LEFT JOIN named
    ON named.network_id = shares.network_id
    AND named.mailbox_id = shares.mailbox_id
    AND named.reporting_month = shares.reporting_month
    AND named.account_report = shares.account_report
    AND named.measure_field = shares.measure_field
