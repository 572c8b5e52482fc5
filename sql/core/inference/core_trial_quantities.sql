-- One row per rate ladder and quantity on which its candidate readings are tried.
-- kept as: scratch
-- A ladder of up to 64 quantities is tried on all of them by every candidate. On a larger one every candidate is screened on the first
-- 24 turns, and those that pass (core_shortlist) are tried on 200 more.
SELECT
    set_no,
    actual,
    lines,
    quantities <= 64 OR turn <= 24 AS is_screened,
    row_number() OVER (ORDER BY set_no, actual) AS quantity_no
FROM core_ranked_quantities
WHERE quantities <= 64 OR turn <= 224
