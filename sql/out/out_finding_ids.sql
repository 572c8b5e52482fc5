-- One row per finding, with the id by which a person accepts, disputes or resolves it.
-- kept as: view
-- The id comes from the check and the key alone, so that it stays over rebuilds and pulls while amounts may change.
-- Findings that name no whole key are told apart by price list and invoice too, and twins of one key are numbered.
-- network_id: NetworkID of the account; null where the finding concerns no single account
-- mailbox_id: MailboxID of the account; 0 is the network's Root mailbox; null where the finding concerns no single account
WITH identified AS (
    SELECT
        *,
        finding_identity(
            check_name, network_id, mailbox_id, reporting_month, account_report, measure_field, price_list_id, invoice_number
        ) AS identity
    FROM out_findings
),
numbered AS (
    SELECT
        *,
        row_number() OVER (
            PARTITION BY identity
            ORDER BY price_list_id, invoice_number, billed_amount, expected_amount, difference, explanation
        ) AS twin
    FROM identified
)
SELECT
    check_name,
    severity,
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    price_list_id,
    invoice_number,
    billed_amount,
    expected_amount,
    difference,
    explanation,
    cause_id,
    place,
    -- a letter first: twelve hexadecimal digits may look like a number (4576e1234567), which a spreadsheet would take it for
    'f' || left(sha256(concat_ws('|', identity, twin::VARCHAR)), 11) AS finding_id
FROM numbered
