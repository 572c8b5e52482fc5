-- One row per line that fits none of several terms in force that may price it (core_other_terms): the range of the amounts that they give.
-- `expected_amount`: the end of the range nearest to the billed amount; null if that is inside the range.
WITH ranges AS (
    SELECT
        suspects.network_id,
        suspects.mailbox_id,
        suspects.reporting_month,
        suspects.account_report,
        suspects.measure_field,
        suspects.amount,
        least(try_cast(min(rated.amount) AS DECIMAL(28, 10)), suspects.expected_amount, suspects.expected_least) AS least,
        greatest(try_cast(max(rated.amount) AS DECIMAL(28, 10)), suspects.expected_amount, suspects.expected_most) AS most
    FROM core_suspect_lines AS suspects
    INNER JOIN core_other_terms AS other USING (terms_no, set_no)
    INNER JOIN core_fault_rated AS rated
        ON rated.set_no = suspects.set_no
        AND rated.actual = suspects.actual
        AND rated.left_out = 'terms'
        AND rated.other_set_no = other.other_set_no
    WHERE suspects.verdict = 'differs'
    GROUP BY
        suspects.network_id, suspects.mailbox_id, suspects.reporting_month, suspects.account_report, suspects.measure_field,
        suspects.amount, suspects.expected_amount, suspects.expected_least, suspects.expected_most
)
SELECT
    network_id,
    mailbox_id,
    reporting_month,
    account_report,
    measure_field,
    least AS expected_least,
    most AS expected_most,
    CASE WHEN amount >= most THEN most WHEN amount <= least THEN least END AS expected_amount
FROM ranges
WHERE least < most
