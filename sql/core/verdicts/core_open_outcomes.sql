-- One row per rate ladder of an undecided interpretation and quantity on its lines: the outcomes of the other tied candidates.
-- `is_contested`: they give other amounts than the chosen one. `expected_least` and `expected_most`: the smallest and largest amounts of
-- all tied candidates. Every line is joined with core_expected, and few need these lists.
WITH tied AS (
    SELECT
        set_no,
        actual,
        list(DISTINCT struct_pack(quantity := quantity, amount := amount, amount_exact := amount_exact, tier := tier)) AS outcomes,
        min(amount) AS least,
        max(amount) AS most,
        bool_or(amount IS NULL) AS is_refused
    FROM core_other_rated
    WHERE role = 'tied'
    GROUP BY set_no, actual
)
SELECT
    tied.set_no,
    tied.actual,
    coalesce(
        tied.is_refused IS DISTINCT FROM (expected.expected_amount IS NULL)
        OR tied.least <> expected.expected_amount
        OR tied.most <> expected.expected_amount,
        false
    ) AS is_contested,
    tied.outcomes,
    least(tied.least, expected.expected_amount) AS expected_least,
    greatest(tied.most, expected.expected_amount) AS expected_most
FROM tied
INNER JOIN core_expected AS expected USING (set_no, actual)
