-- One row per finding that may be contested: billed above what can be proved, with the proof in words.
-- kept as: view
-- The amount claimed is the finding's difference. What was billed too low is a finding, but nothing to contest. The invoice
-- is the finding's, otherwise the one that bills the line's contract.
-- contract_id: ContractID that the invoice was sent to, else that of the account
-- amount_claimed: amount billed above what can be proved; always above 0
-- proof: the arithmetic that leads to the expected amount, in words
WITH claims AS (
    SELECT *
    FROM out_finding_ids
    WHERE severity IN ('error', 'warning') AND difference > 0
),
proofs AS (
    SELECT
        network_id,
        mailbox_id,
        reporting_month,
        account_report,
        measure_field,
        string_agg(
            concat(
                'Tier ', tier,
                CASE WHEN level IS NULL THEN '' ELSE ' (' || level || ')' END,
                ': ', plain_text(quantity),
                CASE
                    WHEN block > 0 AND block <> 1 AND blocks IS NOT NULL
                        THEN concat(' in ', plain_text(blocks), ' blocks of ', plain_text(block))
                    ELSE ''
                END,
                ' at ', plain_text(rate),
                CASE WHEN flat <> 0 THEN ' plus a fee of ' || plain_text(flat) ELSE '' END,
                ' = ', plain_text(product)
            ),
            '; ' ORDER BY slice
        ) || concat('. Expected ', money_text(any_value(expected_amount)), ': ', any_value(rule)) AS words
    FROM out_line_proofs
    SEMI JOIN claims USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
    GROUP BY network_id, mailbox_id, reporting_month, account_report, measure_field
),
invoice_contracts AS (
    SELECT invoice_number, any_value(contract_id) AS contract_id
    FROM raw_invoices
    WHERE invoice_number IS NOT NULL
    GROUP BY invoice_number
    HAVING count(DISTINCT contract_id) = 1
)
SELECT
    -- an invoice is contested with the contract that it was sent to, which need not be the account's
    coalesce(invoice_contracts.contract_id, lines.contract_id, accounts.contract_id) AS contract_id,
    claims.network_id,
    claims.mailbox_id,
    coalesce(lines.account_name, accounts.account_name) AS account_name,
    claims.reporting_month,
    claims.account_report,
    claims.measure_field,
    claims.price_list_id,
    coalesce(claims.invoice_number, invoices.invoice_number) AS invoice_number,
    claims.check_name,
    claims.severity,
    lines.actual,
    lines.quantity_billed,
    claims.billed_amount,
    claims.expected_amount,
    claims.difference AS amount_claimed,
    claims.explanation,
    -- a finding about a whole invoice has no line, and its proof is the subtraction
    coalesce(
        proofs.words,
        concat(
            money_text(claims.billed_amount), ' billed less ', money_text(claims.expected_amount), ' due is ',
            money_text(claims.difference)
        )
    ) AS proof,
    lines.response_sha256,
    claims.finding_id
FROM claims
LEFT JOIN out_line_items AS lines USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
LEFT JOIN proofs USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
LEFT JOIN core_accounts AS accounts
    ON accounts.network_id = claims.network_id AND accounts.mailbox_id = claims.mailbox_id
LEFT JOIN invoice_contracts ON invoice_contracts.invoice_number = claims.invoice_number
LEFT JOIN out_contract_invoices AS invoices
    ON invoices.contract_id = coalesce(lines.contract_id, accounts.contract_id)
    AND invoices.reporting_month = claims.reporting_month
