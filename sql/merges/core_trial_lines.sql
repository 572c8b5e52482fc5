-- One row per schedule set, quantity measured, quantity billed, amount, tier and number shown among the lines tried, of all partitions.
SELECT
    row_number() OVER (ORDER BY set_no, actual, quantity_billed, amount, shown_tier, change_nos) AS trial_no,
    *
FROM (
    SELECT
        set_no,
        actual,
        any_value(is_screened) AS is_screened,
        any_value(quantity_no) AS quantity_no,
        quantity_billed,
        amount,
        shown_tier,
        change_nos,
        sum(lines)::BIGINT AS lines,
        -- Parquet names the fields of a row
        min(row(first_line.element1, first_line.element2, first_line.element3)) AS first_line
    FROM core_trial_lines
    GROUP BY set_no, actual, quantity_billed, amount, shown_tier, change_nos
)
