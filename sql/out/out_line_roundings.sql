-- One row per line whose expected amount depends on a rounding that the lines of its price list do not settle.
-- kept as: view
-- Roundings that fit the list's lines alike (core_fitting_roundings) give different amounts for it. No row where they all give one amount.
-- expected_amount: amount by the rounding that is assumed
-- least_amount: smallest amount by any of them
-- most_amount: largest amount by any of them
WITH proofs AS (
    SELECT
        network_id,
        mailbox_id,
        reporting_month,
        account_report,
        measure_field,
        any_value(expected_amount) AS expected_amount,
        any_value(amount_before_rounding) AS amount_exact,
        CASE WHEN count(*) > 1 THEN list(product ORDER BY slice) END AS slices
    FROM out_line_proofs
    GROUP BY network_id, mailbox_id, reporting_month, account_report, measure_field
),
rounded AS (
    SELECT
        proofs.* EXCLUDE (amount_exact, slices),
        -- null: too large
        try(rounded_amount(proofs.amount_exact, proofs.slices, roundings.rounding, roundings.unit, roundings.half)) AS amount
    FROM proofs
    INNER JOIN core_lines USING (network_id, mailbox_id, reporting_month, account_report, measure_field)
    INNER JOIN core_sets AS sets USING (set_no)
    INNER JOIN core_fitting_roundings AS open
        ON open.price_list_id = sets.price_list_id AND open.is_fee = (sets.kind = 'fee')
    INNER JOIN core_roundings AS roundings USING (rounding_no)
)
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    any_value(expected_amount) AS expected_amount,
    try_cast(min(amount) AS DECIMAL(28, 10)) AS least_amount,
    try_cast(max(amount) AS DECIMAL(28, 10)) AS most_amount
FROM rounded
GROUP BY network_id, mailbox_id, reporting_month, account_report, measure_field
HAVING min(amount) < max(amount)
