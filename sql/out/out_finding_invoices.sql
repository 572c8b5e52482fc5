-- One row per finding: the invoice that its money is claimed on, or the contract and month where none is known.
-- The invoice is the one that the finding names; else, of the contract that the account had in the month, the one that bills the key;
-- else the newest. A finding of no account and no invoice has no contract.
-- finding_id: finding
-- contract_id: ContractID that the invoice bills, else that the account had in the month; null: none is known
-- invoice_source: strongest source of the invoice: imported, InvoiceInfo or InvoiceList; null: no invoice is known
WITH numbered AS (
    SELECT
        invoice_number,
        reporting_month,
        arg_min(contract_id, (contract_id, invoice_id)) AS contract_id,
        arg_min(source, (contract_id, invoice_id)) AS source,
        arg_min(invoice_id, (contract_id, invoice_id)) AS invoice_id
    FROM core_issued_invoices
    GROUP BY invoice_number, reporting_month
),
billing AS (
    SELECT
        matches.network_id,
        matches.mailbox_id,
        matches.reporting_month,
        matches.account_report,
        matches.measure_field,
        matches.contract_id,
        any_value(matches.source) AS source,
        min(matches.invoice_id) AS invoice_id
    FROM core_invoice_matches AS matches
    SEMI JOIN core_issued_invoices AS issued
        ON issued.contract_id = matches.contract_id
        AND issued.reporting_month = matches.reporting_month
        AND issued.source = matches.source
        AND issued.invoice_id = matches.invoice_id
    WHERE matches.status IN ('matches', 'differs', 'not_asked', 'unread')
    GROUP BY
        matches.network_id, matches.mailbox_id, matches.reporting_month, matches.account_report, matches.measure_field,
        matches.contract_id
),
findings AS (
    SELECT ids.*, coalesce(former.contract_id, accounts.contract_id) AS contract_id
    FROM out_finding_ids AS ids
    LEFT JOIN core_accounts AS accounts ON accounts.network_id = ids.network_id AND accounts.mailbox_id = ids.mailbox_id
    LEFT JOIN core_former_accounts AS former
        ON former.network_id = ids.network_id
        AND former.mailbox_id = ids.mailbox_id
        AND former.reporting_month = ids.reporting_month
)
SELECT
    findings.finding_id,
    coalesce(numbered.contract_id, findings.contract_id) AS contract_id,
    findings.reporting_month,
    CASE
        WHEN numbered.contract_id IS NOT NULL THEN numbered.source
        ELSE coalesce(billing.source, newest.source)
    END AS invoice_source,
    coalesce(numbered.invoice_id, billing.invoice_id, newest.invoice_id) AS invoice_id
FROM findings
LEFT JOIN numbered
    ON numbered.invoice_number = findings.invoice_number AND numbered.reporting_month = findings.reporting_month
LEFT JOIN billing
    ON billing.network_id = findings.network_id
    AND billing.mailbox_id = findings.mailbox_id
    AND billing.reporting_month = findings.reporting_month
    AND billing.account_report = findings.account_report
    AND billing.measure_field = findings.measure_field
    AND billing.contract_id = findings.contract_id
LEFT JOIN core_issued_invoices AS newest
    ON newest.contract_id = findings.contract_id AND newest.reporting_month = findings.reporting_month AND newest.is_newest
