-- One row per distinct billing terms, quantity on lines of their ladder, and outcome by other terms in force that may price them
-- (core_other_terms), where it is not that of their own. `expected_least` and `expected_most`: the range of all these terms.
SELECT DISTINCT
    other.terms_no,
    rated.actual,
    rated.quantity,
    rated.amount,
    least(min(rated.amount) OVER same_line, expected.expected_amount) AS expected_least,
    greatest(max(rated.amount) OVER same_line, expected.expected_amount) AS expected_most
FROM core_other_rated AS rated
INNER JOIN core_other_terms AS other ON other.set_no = rated.set_no AND other.other_set_no = rated.rated_set_no
LEFT JOIN core_expected AS expected ON expected.set_no = rated.set_no AND expected.actual = rated.actual
WHERE rated.role = 'other' AND other.is_open
WINDOW same_line AS (PARTITION BY other.terms_no, rated.actual)
QUALIFY (rated.quantity, rated.amount) IS DISTINCT FROM (expected.expected_quantity_billed, expected.expected_amount)
