-- One row per finding that is claimed back: a disputed one, or an open error, that holds a charge to be billed too much.
-- kept as: view
-- The sum of amount_claimed by contract is the claimable and the disputed amount of out_invoice_reconciliation, less what open
-- errors claim of a line that an `identity_mismatch` claims as a whole. What was accepted or resolved has no row.
-- contract_id: ContractID that the invoice bills, else that the account had in the month; null: none is known
-- invoice_source: strongest source of the invoice: imported, InvoiceInfo or InvoiceList; null: no invoice is known
-- invoice_number: number of the invoice that bills the charge
-- invoice_line_numbers: LineItem numbers on that invoice that bill the charge, joined by a comma; null: no line bills it
-- state: open or disputed
-- amount_claimed: amount billed above what can be proved, or the whole charge where it is in doubt; always above 0
-- calculation: the arithmetic that leads to the expected amount, without the interpretation of the price list
-- line_response_sha256: SHA-256 of the response with the line item
-- price_list_response_sha256: SHA-256 of the response of PricelistInfo in the month
-- invoice_response_sha256: SHA-256 of the response, or of the imported file, that has the invoice
WITH claims AS (
    SELECT
        states.*,
        amounts.contract_id,
        amounts.invoice_source,
        amounts.invoice_id,
        -- one of the two is 0, but for an open identity_mismatch, where they are the same money
        greatest(amounts.claimable_amount, amounts.disputed_amount) AS amount_claimed
    FROM out_finding_states AS states
    INNER JOIN out_finding_amounts AS amounts USING (finding_id)
    WHERE
        greatest(amounts.claimable_amount, amounts.disputed_amount) > 0
        AND (
            states.check_name = 'identity_mismatch'
            OR NOT EXISTS (
                FROM out_finding_states AS held
                WHERE held.check_name = 'identity_mismatch'
                    AND held.state IN ('open', 'disputed')
                    AND held.network_id = states.network_id
                    AND held.mailbox_id = states.mailbox_id
                    AND held.reporting_month = states.reporting_month
                    AND held.account_report = states.account_report
                    AND held.measure_field = states.measure_field
            )
        )
),
found_lines AS (
    -- the rows of claims are overestimated: joined by them, DuckDB hashed all lines
    SELECT network_id, mailbox_id, reporting_month, account_report, measure_field, actual, quantity_billed, response_sha256
    FROM core_lines
    SEMI JOIN out_findings USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
),
slices AS (
    SELECT
        network_id,
        mailbox_id,
        reporting_month,
        account_report,
        measure_field,
        any_value(expected_amount) AS expected_amount,
        string_agg(
            concat(
                'Tier ', tier,
                ' (' || level || ')',
                ': ', grouped_text(quantity),
                CASE
                    WHEN block > 0 AND block <> 1 AND blocks IS NOT NULL
                        THEN concat(' in ', grouped_text(blocks), ' blocks of ', grouped_text(block))
                    ELSE ''
                END,
                ' at ', grouped_text(rate),
                CASE WHEN flat <> 0 THEN ' plus a fee of ' || grouped_text(flat) ELSE '' END,
                ' = ', grouped_text(product)
            ),
            '; ' ORDER BY slice
        ) AS words
    FROM out_line_proofs
    SEMI JOIN claims USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
    GROUP BY network_id, mailbox_id, reporting_month, account_report, measure_field
),
invoices AS (
    SELECT
        contract_id,
        reporting_month,
        source,
        invoice_id,
        any_value(invoice_number) AS invoice_number,
        any_value(response_sha256) AS response_sha256
    FROM raw_invoices
    GROUP BY contract_id, reporting_month, source, invoice_id
),
invoice_lines AS (
    SELECT
        claims.finding_id,
        string_agg(lines.line_item_number::VARCHAR, ', ' ORDER BY lines.line_item_number) AS line_numbers
    FROM claims
    INNER JOIN core_invoice_lines AS lines
        ON lines.contract_id = claims.contract_id
        AND lines.reporting_month = claims.reporting_month
        AND lines.source = claims.invoice_source
        AND lines.invoice_id = claims.invoice_id
        AND lines.network_id = claims.network_id
        AND lines.mailbox_id = claims.mailbox_id
        AND lines.account_report IS NOT DISTINCT FROM claims.account_report
        AND lines.measure_field IS NOT DISTINCT FROM claims.measure_field
        -- charges without a key are told apart by their amount
        AND (claims.measure_field IS NOT NULL OR lines.amount = claims.billed_amount)
    GROUP BY claims.finding_id
),
price_lists AS (
    SELECT price_list_id, reporting_month, any_value(response_sha256) AS response_sha256
    FROM raw_price_schedules
    GROUP BY price_list_id, reporting_month
)
SELECT
    claims.contract_id,
    claims.invoice_source,
    claims.invoice_id,
    coalesce(claims.invoice_number, invoices.invoice_number) AS invoice_number,
    invoice_lines.line_numbers AS invoice_line_numbers,
    claims.network_id,
    claims.mailbox_id,
    accounts.account_name,
    claims.reporting_month,
    claims.account_report,
    claims.measure_field,
    claims.price_list_id,
    claims.check_name,
    claims.state,
    lines.actual,
    lines.quantity_billed,
    claims.billed_amount,
    claims.expected_amount,
    claims.amount_claimed,
    concat(
        CASE WHEN slices.expected_amount = claims.expected_amount THEN slices.words || '. ' ELSE '' END,
        CASE
            WHEN claims.expected_amount IS NULL
                THEN money_text(claims.billed_amount) || ' billed; nothing that is known of this charge confirms it'
            ELSE concat(
                money_text(claims.billed_amount), ' billed less ', money_text(claims.expected_amount), ' due is ',
                money_text(claims.amount_claimed)
            )
        END
    ) AS calculation,
    lines.response_sha256 AS line_response_sha256,
    price_lists.response_sha256 AS price_list_response_sha256,
    invoices.response_sha256 AS invoice_response_sha256,
    claims.finding_id
FROM claims
LEFT JOIN found_lines AS lines USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
LEFT JOIN slices USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
LEFT JOIN core_accounts AS accounts
    ON accounts.network_id = claims.network_id AND accounts.mailbox_id = claims.mailbox_id
LEFT JOIN invoices
    ON invoices.contract_id = claims.contract_id
    AND invoices.reporting_month = claims.reporting_month
    AND invoices.source = claims.invoice_source
    AND invoices.invoice_id = claims.invoice_id
LEFT JOIN invoice_lines ON invoice_lines.finding_id = claims.finding_id
LEFT JOIN price_lists
    ON price_lists.price_list_id = claims.price_list_id AND price_lists.reporting_month = claims.reporting_month
