-- One row per schedule set and quantity on its lines: what the chosen reading expects to be billed for it.
-- `error` says why it expects nothing; `is_contested` that rivals of an undecided reading expect something else.
WITH rivals AS (
    SELECT cases.set_no, cases.actual, min(rated.amount) AS least, max(rated.amount) AS most, bool_or(rated.amount IS NULL) AS is_refused
    FROM core_rating_cases AS cases
    INNER JOIN core_rated AS rated USING (case_id)
    WHERE cases.role = 'rival'
    GROUP BY cases.set_no, cases.actual
)
SELECT
    cases.set_no,
    cases.actual,
    cases.case_id,
    CASE
        WHEN rated.error IS NULL
            THEN CASE WHEN cases.billed_in = 'blocks' THEN rated.blocks_billed ELSE rated.quantity_billed END
    END::DECIMAL(28, 10) AS expected_quantity_billed,
    rated.amount_exact,
    round(rated.amount, 10)::DECIMAL(28, 10) AS expected_amount, -- a cast alone divides twice
    CASE WHEN rated.tier > 0 THEN rated.tier ELSE 1 END AS expected_tier,
    rated.error,
    coalesce(
        rivals.is_refused IS DISTINCT FROM (rated.amount IS NULL) OR rivals.least <> rated.amount OR rivals.most <> rated.amount,
        false
    )
    AND rivals.set_no IS NOT NULL AS is_contested
FROM core_rating_cases AS cases
INNER JOIN core_rated AS rated USING (case_id)
LEFT JOIN rivals ON rivals.set_no = cases.set_no AND rivals.actual = cases.actual
WHERE cases.role = 'chosen'
