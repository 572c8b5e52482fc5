-- One row per finding: something that does not fit, with its key, both amounts and a sentence to act on.
-- The worst come first, by `place`: every list of findings has this order.
-- A check may give two columns more. `is_doubtful`: an error of this row is a warning, for its terms are not certain.
-- Of a provisional month no finding is an error: what is one later is a warning.
-- `cause`: the text that findings of one cause share (`terms_cause`, or the `finding_identity` of the finding that this one
-- follows from); without it a finding is its own cause. `cause_id` is its hash.
-- place: place among all findings, from 1: errors first, then warnings, then by the size of the difference, then by name and key
-- network_id: NetworkID of the account; null where the finding concerns no single account
-- mailbox_id: MailboxID of the account; 0 is the network's Root mailbox; null where the finding concerns no single account
WITH graded AS (
    SELECT
        found.* REPLACE (
            CASE
                WHEN found.severity = 'error' AND (found.is_doubtful OR provisional.reporting_month IS NOT NULL) THEN 'warning'
                ELSE found.severity
            END AS severity
        )
    FROM core_check_rows AS found
    LEFT JOIN core_provisional_months AS provisional ON provisional.reporting_month = found.reporting_month
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
    -- null: past what DECIMAL(28,10) holds
    try_cast(billed_amount AS DECIMAL(28, 10)) AS billed_amount,
    try_cast(expected_amount AS DECIMAL(28, 10)) AS expected_amount,
    try_cast(difference AS DECIMAL(28, 10)) AS difference,
    explanation,
    -- a letter first, as in finding_id
    'c' || left(
        sha256(
            coalesce(
                cause,
                finding_identity(
                    check_name, network_id, mailbox_id, reporting_month, account_report, measure_field, price_list_id,
                    invoice_number
                )
            )
        ),
        11
    ) AS cause_id,
    row_number() OVER (
        ORDER BY
            CASE severity WHEN 'error' THEN 1 WHEN 'warning' THEN 2 ELSE 3 END,
            abs(coalesce(difference, 0)) DESC,
            check_name, reporting_month, network_id, mailbox_id, account_report, measure_field, price_list_id, invoice_number,
            explanation, billed_amount, expected_amount, difference
    )::INTEGER AS place
FROM graded
ORDER BY place
