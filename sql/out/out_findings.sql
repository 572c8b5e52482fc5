-- One row per finding: something that does not fit, with its key, both amounts and a sentence to act on.
-- The worst come first: errors before warnings, then by the money in question.
-- A check may give two columns more. `is_doubtful`: an error of this row is a warning, for its terms are not certain.
-- `cause`: the text that findings of one cause share (`terms_cause`, or the `finding_identity` of the finding that this one
-- follows from); without it a finding is its own cause. `cause_id` is its hash.
-- network_id: NetworkID of the account; null where the finding concerns no single account
-- mailbox_id: MailboxID of the account; 0 is the network's Root mailbox; null where the finding concerns no single account
WITH findings AS (
    SELECT NULL::BOOLEAN AS is_doubtful, NULL::VARCHAR AS cause WHERE false
    UNION ALL BY NAME
    SELECT 'amount_mismatch' AS check_name, 'error' AS severity, * FROM fail_amount_mismatch
    UNION ALL BY NAME
    SELECT 'wrong_tier' AS check_name, 'error' AS severity, * FROM fail_wrong_tier
    UNION ALL BY NAME
    SELECT 'rate_mismatch' AS check_name, 'error' AS severity, * FROM fail_rate_mismatch
    UNION ALL BY NAME
    SELECT 'terms_differ' AS check_name, 'error' AS severity, * FROM fail_terms_differ
    UNION ALL BY NAME
    SELECT 'list_differs_from_contract' AS check_name, 'error' AS severity, * FROM fail_list_differs_from_contract
    UNION ALL BY NAME
    SELECT 'quantity_mismatch' AS check_name, 'error' AS severity, * FROM fail_quantity_mismatch
    UNION ALL BY NAME
    SELECT 'bound_ignored' AS check_name, 'error' AS severity, * FROM fail_bound_ignored
    UNION ALL BY NAME
    SELECT 'allowance_not_applied' AS check_name, 'error' AS severity, * FROM fail_allowance_not_applied
    UNION ALL BY NAME
    SELECT 'sign_mismatch' AS check_name, 'error' AS severity, * FROM fail_sign_mismatch
    UNION ALL BY NAME
    SELECT 'percentage_mismatch' AS check_name, 'error' AS severity, * FROM fail_percentage_mismatch
    UNION ALL BY NAME
    SELECT 'minimum_mismatch' AS check_name, 'error' AS severity, * FROM fail_minimum_mismatch
    UNION ALL BY NAME
    SELECT 'tier_gap' AS check_name, 'warning' AS severity, * FROM warn_tier_gap
    UNION ALL BY NAME
    SELECT 'tier_overlap' AS check_name, 'warning' AS severity, * FROM warn_tier_overlap
    UNION ALL BY NAME
    SELECT 'duplicate_line' AS check_name, 'error' AS severity, * FROM fail_duplicate_line
    UNION ALL BY NAME
    SELECT 'missing_line' AS check_name, 'error' AS severity, * FROM fail_missing_line
    UNION ALL BY NAME
    SELECT 'double_billed' AS check_name, 'error' AS severity, * FROM fail_double_billed
    UNION ALL BY NAME
    SELECT 'identity_mismatch' AS check_name, 'error' AS severity, * FROM fail_identity_mismatch
    UNION ALL BY NAME
    SELECT 'date_outside_month' AS check_name, 'warning' AS severity, * FROM warn_date_outside_month
    UNION ALL BY NAME
    SELECT 'taxable_changed' AS check_name, 'warning' AS severity, * FROM warn_taxable_changed
    UNION ALL BY NAME
    SELECT 'price_changed' AS check_name, 'info' AS severity, * FROM info_price_changed
    UNION ALL BY NAME
    SELECT 'invoice_only_charge' AS check_name, 'info' AS severity, * FROM info_invoice_only_charge
    UNION ALL BY NAME
    SELECT 'correction' AS check_name, 'info' AS severity, * FROM info_correction
    UNION ALL BY NAME
    SELECT 'restated' AS check_name, 'warning' AS severity, * FROM warn_restated
    UNION ALL BY NAME
    SELECT 'usage_mismatch' AS check_name, 'error' AS severity, * FROM fail_usage_mismatch
    UNION ALL BY NAME
    SELECT 'invoice_total_mismatch' AS check_name, 'error' AS severity, * FROM fail_invoice_total_mismatch
    UNION ALL BY NAME
    SELECT 'invoice_line_missing' AS check_name, 'error' AS severity, * FROM fail_invoice_line_missing
    UNION ALL BY NAME
    SELECT 'invoice_line_differs' AS check_name, 'error' AS severity, * FROM fail_invoice_line_differs
    UNION ALL BY NAME
    SELECT 'reading_undecided' AS check_name, 'warning' AS severity, * FROM warn_reading_undecided
),
graded AS (
    SELECT * REPLACE (CASE WHEN is_doubtful AND severity = 'error' THEN 'warning' ELSE severity END AS severity)
    FROM findings
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
    ) AS cause_id
FROM graded
ORDER BY
    CASE severity WHEN 'error' THEN 1 WHEN 'warning' THEN 2 ELSE 3 END,
    abs(coalesce(difference, 0)) DESC,
    check_name, reporting_month, network_id, mailbox_id, account_report, measure_field, price_list_id, invoice_number, explanation
