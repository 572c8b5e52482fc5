-- One row per rate ladder, quantity measured, quantity billed, amount, tier and number shown among the lines tried: how many lines.
-- The first of them by month and account stands for all as a counter-example. Lines that are billed with their network
-- (core_aggregated_lines) are no evidence. Nor are lines that other terms in force give, which may be meant otherwise (core_terms_fits),
-- unless the ladder has no others (`is_given`). `change_nos` are the ladders that the lines show, where it is not the set's (core_shown_changes).
WITH changes AS (
    SELECT terms_no, list(DISTINCT change_no ORDER BY change_no) AS change_nos
    FROM core_shown_changes
    GROUP BY terms_no
),
given AS (
    SELECT DISTINCT terms_no, actual, quantity_billed, amount
    FROM core_terms_fits
    WHERE NOT is_read_alike
)
SELECT
    row_number() OVER (ORDER BY set_no, actual, quantity_billed, amount, shown_tier, change_nos) AS trial_no,
    *
FROM (
    SELECT
        set_no,
        actual,
        any_value(quantities.is_screened) AS is_screened,
        any_value(quantities.quantity_no) AS quantity_no,
        quantity_billed,
        amount,
        shown_tier,
        change_nos,
        given.terms_no IS NOT NULL AS is_given,
        count(*) AS lines,
        min(row(reporting_month, network_id, mailbox_id)) AS first_line
    FROM core_lines
    INNER JOIN core_trial_quantities AS quantities USING (set_no, actual)
    LEFT JOIN changes USING (terms_no)
    LEFT JOIN given USING (terms_no, actual, quantity_billed, amount)
    ANTI JOIN core_aggregated_lines USING (network_id, mailbox_id, terms_no)
    GROUP BY set_no, actual, quantity_billed, amount, shown_tier, change_nos, is_given
    QUALIFY NOT is_given OR bool_and(is_given) OVER (PARTITION BY set_no)
)
