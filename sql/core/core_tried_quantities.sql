-- One row per quantity on trial and ladder on which it is tried: its schedule set's own, and those that lines of that quantity show.
-- kept as: scratch
-- `case_quantity_no` is the quantity in trial_case; `ladder_shift` leads from a set's ladder_id to that of the ladder shown;
-- allowance, floor and cap are the ladder's. `change_no` is null on the set's own ladder.
WITH shown AS (
    SELECT DISTINCT set_no, actual, quantity_no, is_screened, change_no
    FROM core_trial_lines
    WHERE change_no IS NOT NULL
)
SELECT
    quantities.quantity_no,
    NULL::INTEGER AS change_no,
    quantities.quantity_no AS case_quantity_no,
    quantities.set_no,
    quantities.actual,
    quantities.is_screened,
    0::BIGINT AS ladder_shift,
    sets.allowance,
    sets.first_minimum,
    sets.first_maximum
FROM core_trial_quantities AS quantities
INNER JOIN core_sets AS sets USING (set_no)
UNION ALL
SELECT
    shown.quantity_no,
    shown.change_no,
    4294967296 + row_number() OVER (ORDER BY shown.quantity_no, shown.change_no),
    shown.set_no,
    shown.actual,
    shown.is_screened,
    -4 * (shown.set_no::BIGINT + shown.change_no),
    tiers.allowance,
    tiers.minimum,
    tiers.maximum
FROM shown
INNER JOIN core_changed_tiers AS tiers ON tiers.change_no = shown.change_no AND tiers.tier = 1
