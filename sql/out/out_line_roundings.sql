-- One row per line whose expected amount depends on a rounding that the lines of its price list do not settle.
-- kept as: view
-- Roundings that fit the list's lines alike (core_fitting_roundings) give different amounts for it. No row where they all give one amount.
-- Amounts are rounded per rate ladder and quantity, which lines share.
-- expected_amount: amount by the rounding that is assumed
-- least_amount: smallest amount by any of them
-- most_amount: largest amount by any of them
WITH roundings AS (
    SELECT
        sets.set_no,
        roundings.rounding,
        roundings.unit,
        roundings.half
    FROM core_sets AS sets
    INNER JOIN core_fitting_roundings AS open
        ON open.price_list_id = sets.price_list_id AND open.is_fee = (sets.kind = 'fee')
    INNER JOIN core_roundings AS roundings USING (rounding_no)
),
slices AS (
    SELECT case_id, list(amount) AS amounts
    FROM core_rating_slices
    GROUP BY case_id
    HAVING count(*) > 1
),
cases AS (
    SELECT
        expected.set_no,
        expected.actual,
        any_value(expected.expected_amount) AS expected_amount,
        -- null: too large
        min(try(rounded_amount(expected.amount_exact, slices.amounts, roundings.rounding, roundings.unit, roundings.half))) AS least_amount,
        max(try(rounded_amount(expected.amount_exact, slices.amounts, roundings.rounding, roundings.unit, roundings.half))) AS most_amount
    FROM core_expected AS expected
    INNER JOIN roundings USING (set_no)
    LEFT JOIN slices ON slices.case_id.set_no = expected.set_no AND slices.case_id.actual = expected.actual
    WHERE expected.error IS NULL
    GROUP BY expected.set_no, expected.actual
    HAVING least_amount < most_amount
),
rounded AS (
    SELECT
        lines.network_id,
        lines.mailbox_id,
        lines.reporting_month,
        lines.account_report,
        lines.measure_field,
        cases.expected_amount,
        cases.least_amount,
        cases.most_amount
    FROM core_lines AS lines
    ANTI JOIN core_aggregated_lines USING (network_id, mailbox_id, terms_no)
    INNER JOIN cases USING (set_no, actual)
    UNION ALL
    SELECT
        derived.network_id,
        derived.mailbox_id,
        derived.reporting_month,
        derived.account_report,
        derived.measure_field,
        any_value(derived.expected_amount),
        min(try(rounded_amount(derived.amount_exact, NULL, roundings.rounding, roundings.unit, roundings.half))) AS least,
        max(try(rounded_amount(derived.amount_exact, NULL, roundings.rounding, roundings.unit, roundings.half))) AS most
    FROM core_derived_expected AS derived
    INNER JOIN roundings USING (set_no)
    GROUP BY derived.network_id, derived.mailbox_id, derived.reporting_month, derived.account_report, derived.measure_field
    HAVING least < most
)
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    expected_amount,
    try_cast(least_amount AS DECIMAL(28, 10)) AS least_amount,
    try_cast(most_amount AS DECIMAL(28, 10)) AS most_amount
FROM rounded
